"""JsonErrors: errors of the arguments of a command as JSON, where --json is given."""

from __future__ import annotations

from typing import Any, cast

import typer
from typer.core import TyperGroup

from mammorisk.cli.common import UNUSABLE, print_error

#: Base class of the errors of arguments. typer does not export it.
_UsageError = cast("type[Exception]", typer.BadParameter.__base__)


class JsonErrors(TyperGroup):
    """The commands. With --json, an unknown or invalid argument is also printed as JSON."""

    def invoke(self, ctx: Any) -> Any:
        as_json = "--json" in ctx.args
        try:
            return super().invoke(ctx)
        except _UsageError as error:
            if as_json:
                message = getattr(error, "format_message", error.__str__)()
                told = {"code": "UsageError", "what": message, "where": None}
                print_error(told | {"remedy": "Add --help."}, UNUSABLE)
            raise
