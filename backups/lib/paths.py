"""Paths of the files of a service, and the errors for missing and unreadable ones."""

import os
from pathlib import Path

from backups.errors import ComponentError, MissingComponent


def confined(root: Path, path: str | Path, *, name: str = "") -> Path:
    """Return `path`, relative to `root` or absolute, as an absolute path whose symbolic links are not resolved.

    Raises ComponentError when it resolves to a path outside `root`. `name` stands in the error for a path that is a
    value of a configuration. Call it at every use: the links belong to the service and change.
    """
    full = root / path
    what = name or repr(str(path))
    try:
        inside = full.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "a loop of links"
        raise ComponentError(f"{what} cannot be followed: {reason}.", hint="Remove the loop of links.") from error
    if not inside:
        hint = "Set root to a folder that holds every component."
        raise ComponentError(f"{what} lies outside the root {root}.", hint=hint)
    return full


def stat_path(path: Path) -> os.stat_result:
    """Return the stat of `path`, links followed; raises MissingComponent or ComponentError."""
    try:
        return path.stat()
    except FileNotFoundError as error:
        raise missing(path) from error
    except OSError as error:
        raise unreadable(path, error) from error


def size_or_zero(path: Path) -> int:
    """Return the size of the file `path` in bytes, 0 when it cannot be determined."""
    try:
        return path.stat().st_size
    except OSError:  # reading the file will raise it
        return 0


def missing(path: Path) -> MissingComponent:
    return MissingComponent(f"{path} does not exist.", hint="Correct its path, or mark the component optional.")


def vanished(path: Path) -> ComponentError:
    return ComponentError(f"{path} vanished while it was read.", hint="Run the backup again.")


def unreadable(path: Path, error: OSError) -> ComponentError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return ComponentError(
        f"{path} cannot be read: {reason}.", hint="Check that this user may read the file and its folder."
    )
