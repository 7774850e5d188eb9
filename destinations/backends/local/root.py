"""`settings.BACKUP_ROOT`, below which every local destination lies: which folders may be, and opening it."""

import shlex
from pathlib import Path, PurePosixPath

from django.conf import settings

from destinations.backends.local.folder import Folder
from destinations.exceptions import DestinationConfigError, DestinationUnavailable
from destinations.transfer.paths import MAX_DEPTH, is_filename


def segments_below_root(path: str, root: Path) -> tuple[str, ...]:
    """Return the folders from `root` to `path` (relative to it, or absolute inside it), by name alone.

    Raises `DestinationConfigError` for anything that leaves `root`, is `root`, or is not a plain name.
    """
    pure = PurePosixPath(path)
    # an absolute path may be written with or without the symbolic links on the way to BACKUP_ROOT
    bases = [base for base in (root, root.resolve()) if pure.is_relative_to(base)]
    relative = pure.relative_to(bases[0]) if bases else pure
    segments = relative.parts
    if ".." in pure.parts or relative.is_absolute():
        raise DestinationConfigError(
            f"The folder {path!r} is outside BACKUP_ROOT ({root}).",
            f"Give a folder below {root}, without '..'.",
            "path",
        )
    if not segments or len(segments) > MAX_DEPTH or not all(is_filename(name) for name in segments):
        raise DestinationConfigError(
            f"The folder {path!r} cannot be used as a destination.",
            f"Give up to {MAX_DEPTH} folder names below {root} of letters, digits, '_', '-' and single dots.",
            "path",
        )
    return segments


def open_root() -> Folder:
    root: Path = settings.BACKUP_ROOT
    try:
        root.stat()
    except FileNotFoundError:
        raise DestinationUnavailable(
            f"Cannot open the folder {root}: it does not exist.",
            f"Make the folder with `mkdir -p -m 700 {shlex.quote(str(root))}`, or see that the disk or share which "
            "belongs there is mounted.",
        ) from None
    except OSError:
        pass  # opening it meets the same error, and says what it means
    return Folder.at(root)
