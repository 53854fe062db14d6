"""OmopDatabase: columns of the tables of an OMOP database, through any driver."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from mammorisk.datasets.hospital.omop_concepts import ConceptSet
from mammorisk.errors import DatasetError

#: Maximum number of concept ids in one statement.
_IDS_AT_ONCE = 500


class OmopDatabase:
    """Reads columns of tables through any driver."""

    def __init__(self, connection: Any, schema: str | None) -> None:
        if schema is not None and not schema.replace(".", "_").isidentifier():
            raise DatasetError(f"{schema!r} is no name of a schema", where="schema")
        self.connection = connection
        self.prefix = "" if schema is None else f"{schema}."

    def read(self, table: str, columns: Sequence[str], where: str = "") -> pd.DataFrame:
        """Read columns of a table; raises an error if the table or a column is missing."""
        # Names are constants of the package, and values are integers.
        statement = f"SELECT {', '.join(columns)} FROM {self.prefix}{table}{where}"
        try:
            rows = self._run(statement)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001
            # Every driver has its own errors, which contain the statement.
            raise DatasetError(
                f"the database has no table {table} with the expected columns",
                where=type(error).__name__,
                remedy=f"Columns read: {', '.join(columns)} (OMOP CDM 5.3 or 5.4). Pass schema= if "
                "the tables are in a schema.",
            ) from None
        return pd.DataFrame([tuple(row) for row in rows], columns=list(columns))

    def of_concepts(
        self, table: str, columns: Sequence[str], concept: str, ids: Sequence[int]
    ) -> pd.DataFrame:
        """Rows of a table with one of the concepts."""
        parts = [
            self.read(table, columns, f" WHERE {concept} IN ({', '.join(map(str, some))})")
            for some in _portions(ids)
        ]
        if not parts:
            return pd.DataFrame(columns=list(columns))
        return pd.concat(parts, ignore_index=True)

    def resolve(self, concepts: ConceptSet) -> list[int]:
        """Concept ids of a set."""
        ids = {int(one) for one in concepts.concepts}
        for code in concepts.codes:
            vocabulary, _, value = code.partition(":")
            clean = value.replace("-", "").replace(".", "")
            if not (vocabulary.isalnum() and clean.isalnum()):
                raise DatasetError(f"{code!r} is no vocabulary:code", where="mapping")
            where = f" WHERE vocabulary_id = '{vocabulary}' AND concept_code = '{value}'"
            ids |= set(self.read("concept", ("concept_id",), where)["concept_id"].map(int))
        if concepts.descendants and ids:
            columns = ("descendant_concept_id", "ancestor_concept_id")
            below = self.of_concepts("concept_ancestor", columns, columns[1], sorted(ids))
            ids |= set(below[columns[0]].map(int))
        return sorted(ids)

    def _run(self, statement: str) -> Iterable[Any]:
        if hasattr(self.connection, "exec_driver_sql"):
            rows: Iterable[Any] = self.connection.exec_driver_sql(statement).fetchall()
            return rows
        cursor = self.connection.cursor()
        try:
            cursor.execute(statement)
            found: Iterable[Any] = cursor.fetchall()
        finally:
            cursor.close()
        return found


def _portions(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return [ids[i : i + _IDS_AT_ONCE] for i in range(0, len(ids), _IDS_AT_ONCE)]
