"""The files of a service: where they lie, whether they are there, how large they are."""

import os
from pathlib import Path

from backups.errors import ComponentError, MissingComponent


def confined(root: Path, path: str | Path, *, name: str = "") -> Path:
    """Return `path`, relative ones taken from `root`, as an absolute path with its symbolic links kept.

    Raises ComponentError when it leads out of `root`, also through a link; `name` says there which path is meant, for
    one that is a value of a configuration. To be asked again at every use: links belong to the service and change.
    """
    full = root / path
    what = name or repr(str(path))
    try:
        inside = full.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
        raise ComponentError(
            f"{what} cannot be followed: {_reason(error)}.", hint="Remove the loop of links."
        ) from error
    if not inside:
        hint = "Set root to a folder that holds every component."
        raise ComponentError(f"{what} lies outside the root {root}.", hint=hint)
    return full


def look_at(path: Path) -> os.stat_result:
    """Return the stat of `path`, links followed. Raises MissingComponent, or ComponentError when it is out of reach."""
    try:
        return path.stat()
    except FileNotFoundError as error:
        raise missing(path) from error
    except OSError as error:
        raise unreadable(path, error) from error


def bytes_of(path: Path) -> int:
    """Return the size of the file `path`, 0 when it cannot be looked at: whoever reads it will say why."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def missing(path: Path) -> MissingComponent:
    return MissingComponent(f"{path} does not exist.", hint="Correct its path, or mark the component optional.")


def vanished(path: Path) -> ComponentError:
    return ComponentError(f"{path} vanished while it was read.", hint="Run the backup again.")


def _reason(error: OSError | RuntimeError) -> str:
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "a loop of links"


def unreadable(path: Path, error: OSError) -> ComponentError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return ComponentError(
        f"{path} cannot be read: {reason}.", hint="Check that this user may read the file and its folder."
    )
