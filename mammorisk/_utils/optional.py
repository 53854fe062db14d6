"""Checks for optional libraries."""

from __future__ import annotations

from importlib.util import find_spec

from mammorisk.errors import MissingDependency

#: The extra of this package with the libraries for image models.
NETWORKS = "networks"


def installed(module: str) -> bool:
    """Whether a top-level module can be imported. The function does not import it.

    Parameters
    ----------
    module : str
        Name of a top-level module, such as ``"torch"``.

    Returns
    -------
    bool

    Examples
    --------
    >>> from mammorisk._utils.optional import installed
    >>> installed("numpy")
    True
    """
    return find_spec(module) is not None


def require(module: str, extra: str, *, what: str) -> None:
    """Raise an error if an optional library is not installed.

    Parameters
    ----------
    module : str
        Name of a top-level module, such as ``"torch"``.
    extra : str
        The extra in ``pyproject.toml`` that installs the library.
    what : str
        The part that needs the library, as the subject of a sentence: ``"the model hybrid"``.

    Raises
    ------
    MissingDependency
        The module is not installed.

    Examples
    --------
    >>> from mammorisk._utils.optional import require
    >>> require("numpy", "networks", what="this example")
    """
    if not installed(module):
        raise MissingDependency(
            f"{what} needs {module}, which is not installed",
            remedy=f"Run: pip install 'mammorisk[{extra}]'",
        )
