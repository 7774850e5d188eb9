"""Mode and owner of the files and folders that a restore creates.

They are those that were backed up and never grant more; without a record 0600, for folders 0700. The umask is ignored.
"""

import grp
import os
import pwd
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from backups.archive.manifest.permissions import LONGEST_NAME, Permissions
from destinations.lib.formats import printable

# without set-user-id: an archive must not be able to create a privileged program
FILE_BITS, FOLDER_BITS = 0o777, 0o3777
SHARED_WRITE = 0o022
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
MOST_FOLDERS = 16


@dataclass(frozen=True, slots=True)
class Ownership:
    """Mode, user id and group id of a file or folder."""

    mode: int
    uid: int
    gid: int

    @classmethod
    def of(cls, info: os.stat_result) -> "Ownership":
        return cls(stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid)

    def __str__(self) -> str:
        owner = _name(pwd.getpwuid, self.uid) or self.uid, _name(grp.getgrgid, self.gid) or self.gid
        return "mode {:04o}, owner {}:{}".format(self.mode, *owner)

    @property
    def narrowed(self) -> "Ownership":
        """The mode for another group than the recorded one: group and others get only what both had."""
        shared = self.mode >> 3 & self.mode & 0o007
        return replace(self, mode=self.mode & ~0o2077 | shared << 3 | shared)

    def set_on(self, descriptor: int) -> None:
        """Apply owner and mode to the open file or folder."""
        info = os.fstat(descriptor)
        if (info.st_uid, info.st_gid) != (self.uid, self.gid):
            os.fchown(descriptor, self.uid, self.gid)
            info = os.fstat(descriptor)
        # After the owner, because a change of owner clears set-id bits and because the file stays private until then.
        # Only when it differs: a file system without modes refuses every change.
        if stat.S_IMODE(info.st_mode) != self.mode:
            os.fchmod(descriptor, self.mode)

    def set_on_new(self, descriptor: int) -> "Ownership":
        """Apply it to a new file or folder as far as possible; return what that has then."""
        info, wanted = os.fstat(descriptor), self
        # a file system may lack modes and owners, a container may lack the owner
        with suppress(OSError):
            self.set_on(descriptor)
            return self
        if (owner := (info.st_uid, info.st_gid)) != (self.uid, self.gid):
            wanted = replace(self.narrowed, uid=owner[0], gid=owner[1])
        with suppress(OSError):
            wanted.set_on(descriptor)
        return Ownership.of(os.fstat(descriptor))


def permissions_of(info: os.stat_result, path: Path | None = None) -> Permissions:
    """Return the record of `info`; with `path`, its parent folders are recorded too."""
    # a new machine may lack the folders as well
    parents = path.resolve().parents[:-1][:MOST_FOLDERS] if path else ()
    return Permissions(
        mode=stat.S_IMODE(info.st_mode),
        uid=info.st_uid,
        gid=info.st_gid,
        user=_name(pwd.getpwuid, info.st_uid),
        group=_name(grp.getgrgid, info.st_gid),
        folders=tuple(permissions_of(folder.stat()) for folder in parents),
    )


def ownership_for(permissions: Permissions | None, holder: os.stat_result, *, folder: bool = False) -> Ownership:
    """Return the ownership of a new file or `folder` with the record `permissions` in the folder with stat `holder`.

    An owner that does not exist here, or that this process may not set, is replaced by that of `holder` or of the
    process; permissions of a replaced group are narrowed.
    """
    is_root = os.geteuid() == 0
    if is_root:
        other_uid, other_gid = holder.st_uid, holder.st_gid
    else:
        # what the kernel gives to a file that this process creates in the folder
        other_uid, other_gid = os.geteuid(), holder.st_gid if holder.st_mode & stat.S_ISGID else os.getegid()
    if permissions is None:
        return Ownership(PRIVATE_FOLDER if folder else PRIVATE_FILE, other_uid, other_gid)
    mode = (
        permissions.mode & (FOLDER_BITS if folder else FILE_BITS) & (0o7777 if permissions.trusted else ~SHARED_WRITE)
    )
    uid = _id_here(permissions.user, permissions.uid, lambda name: pwd.getpwnam(name).pw_uid, pwd.getpwuid)
    gid = _id_here(permissions.group, permissions.gid, lambda name: grp.getgrnam(name).gr_gid, grp.getgrgid)
    if not is_root:
        uid = os.geteuid()
        gid = gid if gid in (os.getegid(), *os.getgroups()) else None
    uid = other_uid if uid is None else uid
    return Ownership(mode, uid, other_gid).narrowed if gid is None else Ownership(mode, uid, gid)


def expected_ownership(path: Path, permissions: Permissions | None) -> Ownership:
    """Return the ownership that the missing file `path` would be created with."""
    holder = next(folder for folder in path.parents if folder.is_dir())
    return ownership_for(permissions, holder.stat())


def _id_here(
    name: str | None, number: int, by_name: Callable[[str], int], by_number: Callable[[int], object]
) -> int | None:
    """Return the id on this machine of the recorded owner, None when it does not exist here.

    The name decides. The number counts only when the owner had no name, or the number has none here: otherwise it may
    belong to another user.
    """
    if name is None:
        return number
    try:
        return by_name(name)
    except (KeyError, ValueError):
        return None if _name(by_number, number) else number


def _name(lookup: Callable[[int], object], number: int) -> str | None:
    try:
        name: str = lookup(number)[0]  # type: ignore[index]
    except KeyError:
        return None
    return name if 0 < len(name) <= LONGEST_NAME and name.isprintable() else None


def ownership_note(path: Path, permissions: Permissions | None, given: Ownership) -> list[str]:
    """Return a note when the new `path` was `given` another mode or owner than the recorded ones."""
    if permissions is None:
        return [printable(f"{path} was created with {given}: the backup does not say what it had")]
    names = permissions.user or permissions.uid, permissions.group or permissions.gid
    had = "mode {:04o}, owner {}:{}".format(permissions.mode, *names)
    return [] if had == str(given) else [printable(f"{path} was created with {given}; it had {had}")]
