"""Paths of the files of a service, and the errors for missing and unreadable ones."""

import os
from dataclasses import dataclass
from pathlib import Path

from backups.errors import ComponentError, MissingComponent

# device and inode
Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Root:
    """The folders of a service: its working directory `folder`, as it sees it, and those that are `allowed`.

    Only what lies in an allowed folder is read or written. `mapped` has folders that the service sees at another path
    than this host, as in a container, with their paths on this host.
    """

    folder: Path
    allowed: tuple[Path, ...]
    mapped: tuple[tuple[Path, Path], ...] = ()

    def on_host(self, path: str | Path) -> Path:
        """Return the path on this host of what the service calls `path`, relative to its working directory."""
        full = self.folder / path
        # by name, as the service would: its links are not those of this host
        seen = Path(os.path.normpath(full))
        matching = [(inside, outside) for inside, outside in self.mapped if seen.is_relative_to(inside)]
        if not matching:
            return full
        inside, outside = max(matching, key=lambda pair: len(pair[0].parts))
        return outside / seen.relative_to(inside)

    def require(self, path: Path, *, name: str = "") -> Path:
        """Return `path`, which is one of this host, as it is.

        Raises ComponentError when it resolves to a path outside of the allowed folders. `name` stands in the error for
        a path that is a value of a configuration. Call it at every use: the links belong to the service and change.
        """
        what = name or repr(str(path))
        if "\0" in str(path):
            raise ComponentError(f"{what} has a NUL character, which no path has.", hint="Correct the path.")
        try:
            resolved = path.resolve()
            inside = any(resolved.is_relative_to(folder.resolve()) for folder in self.allowed)
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "a loop of links"
            raise ComponentError(f"{what} cannot be followed: {reason}.", hint="Remove the loop of links.") from error
        if not inside:
            roots = ", ".join(map(str, self.allowed))
            raise ComponentError(
                f"{what} lies outside the root{'s' if len(self.allowed) > 1 else ''} {roots}.",
                hint="Set root to a folder that holds every component, or name every folder in roots.",
            )
        return path


def identity_of(path: Path) -> Identity | None:
    """Return device and inode of the file; None when it does not exist or is not accessible."""
    try:
        info = path.stat()
    except (OSError, ValueError):
        return None
    return info.st_dev, info.st_ino


def confined(root: Root, path: str | Path, *, name: str = "") -> Path:
    """Return the path on this host of what the service calls `path`, whose symbolic links are not resolved.

    Raises as `Root.require`.
    """
    return root.require(root.on_host(path), name=name or repr(str(path)))


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


def no_file(path: Path) -> ComponentError:
    return ComponentError(f"{path} is not a regular file.", hint="Correct the path of the component.")
