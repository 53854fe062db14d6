"""All exceptions of the package.

Every message states what was wrong, where, and what to do about it. No message contains the name,
an identifier or a date of a patient, or the name of a file of an exam, since such names are often
identities: the attribute ``source`` holds it.
"""

from __future__ import annotations


class MammoriskError(Exception):
    """Base class of the exceptions of this package.

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

    Attributes
    ----------
    what, where, remedy
        The three parts of the message.

    See Also
    --------
    mammorisk.warning_codes : Warnings that are part of a result instead of raised.

    Examples
    --------
    >>> import mammorisk as mr
    >>> try:
    ...     mr.load_model("no-such-model")
    ... except mr.MammoriskError as error:
    ...     print(type(error).__name__)
    UnknownModel
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

    def to_dict(self) -> dict[str, str | None]:
        """Return the parts of the message with a code, as plain JSON types.

        Returns
        -------
        dict
            Keys ``code`` (the name of the class), ``what``, ``where`` and ``remedy``.

        Examples
        --------
        >>> from mammorisk.errors import NoImages
        >>> NoImages("the folder has no mammogram", remedy="Check the path.").to_dict()["code"]
        'NoImages'
        """
        return {
            "code": type(self).__name__,
            "what": self.what,
            "where": self.where,
            "remedy": self.remedy,
        }

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
    """A folder or list contains no usable mammogram."""


class UnreadableFile(ExamError):
    """A file is damaged, truncated or not of the type that its name states."""


class UnreadableDicom(UnreadableFile):
    """A DICOM file whose structure cannot be parsed."""


class WrongModality(ExamError):
    """A DICOM file that is not a mammogram."""


class UnknownView(ExamError):
    """The view or laterality of an image cannot be determined."""


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
    """A file or image exceeds the size limits, which are checked before memory is allocated."""


class IntentMismatch(ExamError):
    """A for-processing image where the model needs one for presentation."""


# --- tables ------------------------------------------------------------------------------------


class QuestionnaireError(MammoriskError, ValueError):
    """Questionnaire values are out of range or contradict each other; names the fields."""


class ManifestError(MammoriskError, ValueError):
    """A cohort table cannot be used; lists every faulty row with its line number."""


class CohortError(MammoriskError, ValueError):
    """The cohort does not have the requested rows, or the data are not a cohort."""


class DatasetError(MammoriskError, ValueError):
    """A public cohort, or an export of a hospital, is incomplete or of another version."""


class EvaluationError(MammoriskError, ValueError):
    """Outcomes, risks or options cannot be used in an evaluation; names the argument."""


class OutputError(MammoriskError):
    """A result cannot be written."""


class CacheDamaged(MammoriskError):
    """An entry of a cache is damaged or was removed while it was in use."""


# --- models ------------------------------------------------------------------------------------


class ModelError(MammoriskError):
    """A model cannot be found, loaded or applied."""


class RatesError(ModelError, ValueError):
    """A table of incidence and mortality has gaps or overlaps, impossible values or no units."""


class UnknownModel(ModelError):
    """There is no model of this name."""


class BackendError(ModelError):
    """The backend for a network is not installed, or cannot run the network."""


class HorizonError(ModelError, ValueError):
    """A model does not answer the requested horizon."""


class PolicyError(MammoriskError):
    """A surveillance policy cannot be applied."""


class PolicyRefused(PolicyError):
    """The policy does not allow the model for its thresholds."""


class NoRisk(MammoriskError):
    """A result without a risk cannot be written to a format that states a risk."""


class EmbeddingError(MammoriskError, ValueError):
    """A table of embeddings cannot be used, or belongs to another cohort or encoder."""


# --- services ----------------------------------------------------------------------------------


class ServiceError(MammoriskError):
    """A queue, an option or a part of a service cannot be used."""


class NoSpace(ServiceError):
    """The disk is full. This passes, and is no fault of an exam: a service waits for space."""


# --- training ----------------------------------------------------------------------------------


class RecipeError(MammoriskError, ValueError):
    """A recipe cannot be read, or has an unknown or invalid field; names the field."""


class TrainingError(MammoriskError):
    """A model cannot be fitted on this cohort, or fitting failed."""


# --- simulation --------------------------------------------------------------------------------


class SimulationError(MammoriskError, ValueError):
    """A study cannot be simulated with these options or into this folder."""
