"""The one tree of exceptions.

Every message says what was wrong, where, and what to do about it. None carries a patient's name,
identifier or date, and none names a file of an exam, since such names are often identities: the
attribute ``source`` does, for those who ask.
"""

from __future__ import annotations


class MammoriskError(Exception):
    """Base of every error the library raises on purpose.

    Parameters
    ----------
    what : str
        What was wrong, as one sentence without a full stop at the end.
    where : str, optional
        The view, attribute, row or argument concerned.
    remedy : str, optional
        What the user can do about it.
    source : str, optional
        Name of the file concerned, as the user gave it. It is not part of the message.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        remedy: str | None = None,
        source: str | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        self.source = source
        place = f"{where}: " if where else ""
        advice = f" {remedy}" if remedy else ""
        super().__init__(f"{place}{what}.{advice}")

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments would otherwise be lost between processes.
        return _rebuild, (type(self), self.what, self.where, self.remedy, self.source)


def _rebuild(
    kind: type[MammoriskError],
    what: str,
    where: str | None,
    remedy: str | None,
    source: str | None,
) -> MammoriskError:
    return kind(what, where=where, remedy=remedy, source=source)


class MissingDependency(MammoriskError, ImportError):
    """An optional library is not installed; the message gives the command that installs it."""


# --- exams: files, views, pixels ---------------------------------------------------------------


class ExamError(MammoriskError):
    """An exam cannot be read or used."""


class NoImages(ExamError):
    """A folder or list holds no mammogram that can be used."""


class UnreadableFile(ExamError):
    """A file is damaged, truncated or not of the kind it claims to be."""


class UnreadableDicom(UnreadableFile):
    """A DICOM file whose structure cannot be parsed."""


class WrongModality(ExamError):
    """A DICOM file that is not a mammogram."""


class UnknownView(ExamError):
    """View or laterality of an image cannot be told."""


class AmbiguousView(ExamError):
    """Several images of a view, and nothing tells which of them belongs to the exam."""


class ViewMissing(ExamError):
    """One of the four standard views is absent."""


class MixedPatients(ExamError):
    """Files of more than one patient, or of exams that nothing orders, were given as one exam."""


class PixelError(ExamError):
    """Pixel data are truncated, damaged or contradict the header."""


class UnsupportedSyntax(PixelError):
    """No decoder is available for the transfer syntax or image format."""


class TooLarge(ExamError):
    """A file or image exceeds the size limits, checked before memory is taken."""


class IntentMismatch(ExamError):
    """A for-processing image where the model needs one for presentation."""


# --- tables ------------------------------------------------------------------------------------


class QuestionnaireError(MammoriskError, ValueError):
    """Questionnaire values out of range or in contradiction; names the fields."""


class ManifestError(MammoriskError, ValueError):
    """A cohort table cannot be used; lists every faulty row with its line number."""


class CohortError(MammoriskError, ValueError):
    """Rows were asked for that the cohort does not have."""


class EvaluationError(MammoriskError, ValueError):
    """Outcomes, risks or options that no evaluation can use; names the argument."""


class OutputError(MammoriskError):
    """A result cannot be written."""


# --- models ------------------------------------------------------------------------------------


class ModelError(MammoriskError):
    """A model cannot be found, loaded or applied."""


class UnknownModel(ModelError):
    """No model of that name."""


class BackendError(ModelError):
    """What should run a network is not here, or cannot run it."""


class HorizonError(ModelError, ValueError):
    """A model does not answer the horizon asked for."""


class PolicyError(MammoriskError):
    """A surveillance policy cannot be applied."""


# --- simulation --------------------------------------------------------------------------------


class RecipeError(MammoriskError, ValueError):
    """A recipe cannot be read, or holds what no recipe does; names the field."""


class TrainingError(MammoriskError):
    """A model cannot be fitted on this cohort, or fitting went wrong."""


class SimulationError(MammoriskError, ValueError):
    """A study cannot be simulated with these options or into this folder."""
