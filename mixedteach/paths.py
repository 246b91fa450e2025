"""Find the files that travel with the package: data sets now, notebooks and course material too.

In a clone (or an editable install) they are the top-level folders of the repository; the wheel
packs the same folders under ``mixedteach/_resources``. Nobody else needs to know the difference.
"""

from __future__ import annotations

from pathlib import Path

from mixedteach.errors import DataError

_PACKAGE = Path(__file__).resolve().parent


def _root() -> Path:
    """Return the folder that holds ``datasets/`` and its neighbours."""
    # The packed copy first: next to an installed package a folder `datasets` may be a stranger's.
    packed = _PACKAGE / "_resources"
    return packed if packed.is_dir() else _PACKAGE.parent


def resource(*parts: str) -> Path:
    """Return the path of a file or folder that ships with mixedteach.

    Parameters
    ----------
    *parts : str
        The way to it from the top of the project, one name each.

    Returns
    -------
    pathlib.Path
        An absolute path that exists.

    Raises
    ------
    DataError
        If this installation has no such file or folder.

    Examples
    --------
    >>> resource("datasets", "tablets.csv").name
    'tablets.csv'
    """
    path = _root().joinpath(*parts)
    if not path.exists():
        raise DataError(
            f"'{'/'.join(parts)}' is not part of this installation of mixedteach (looked for "
            f"{path}); install the package anew, or restore the file if this is a clone."
        )
    return path
