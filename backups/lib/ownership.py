"""Mode and owner of what a restore creates: those that were backed up, and never more than those.

Without a record they are 0600, 0700 for folders. The umask of this process has no part in it.
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

# a set-user-id program is no data, and an archive must not be able to plant one
FILE_BITS, FOLDER_BITS = 0o777, 0o3777
SHARED_WRITE = 0o022
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
MOST_FOLDERS = 16


@dataclass(frozen=True, slots=True)
class Ownership:
    """The mode and the ids that a file or folder gets."""

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
        """The same for another group than the recorded one: nobody gets what not both, group and others, had."""
        shared = self.mode >> 3 & self.mode & 0o007
        return replace(self, mode=self.mode & ~0o2077 | shared << 3 | shared)

    def give(self, descriptor: int) -> None:
        """Give it to the open file or folder, which is open to nobody else until the last step."""
        info = os.fstat(descriptor)
        if (info.st_uid, info.st_gid) != (self.uid, self.gid):
            os.fchown(descriptor, self.uid, self.gid)
            info = os.fstat(descriptor)
        # after the owner: a change of owner takes setuid bits away. A file system without modes refuses every change
        if stat.S_IMODE(info.st_mode) != self.mode:
            os.fchmod(descriptor, self.mode)

    def give_new(self, descriptor: int) -> "Ownership":
        """Give it to what was just created, as far as that can be; return what it has then.

        Not every file system has modes and owners, and a container not every owner.
        """
        info, wanted = os.fstat(descriptor), self
        with suppress(OSError):
            self.give(descriptor)
            return self
        if (owner := (info.st_uid, info.st_gid)) != (self.uid, self.gid):
            wanted = replace(self.narrowed, uid=owner[0], gid=owner[1])
        with suppress(OSError):
            wanted.give(descriptor)
        return Ownership.of(os.fstat(descriptor))


def permissions_of(info: os.stat_result, path: Path | None = None) -> Permissions:
    """Return what to keep of `info`; with `path`, of the folders that hold it too."""
    return Permissions(
        mode=stat.S_IMODE(info.st_mode),
        uid=info.st_uid,
        gid=info.st_gid,
        user=_name(pwd.getpwuid, info.st_uid),
        group=_name(grp.getgrgid, info.st_gid),
        folders=_folders_of(path) if path else (),
    )


def _folders_of(path: Path) -> tuple[Permissions, ...]:
    """Return those of the folders that hold `path`, as far up as a new machine may lack them."""
    above = path.resolve().parents[:-1]
    return tuple(permissions_of(folder.stat()) for folder in above[:MOST_FOLDERS])


def ownership_for(permissions: Permissions | None, holder: os.stat_result, *, folder: bool = False) -> Ownership:
    """Return what a new file, or `folder`, gets. `holder` owns it where the recorded owner is unknown or is no use.

    The permissions of a group are kept for that group alone.
    """
    is_root = os.geteuid() == 0
    other_uid, other_gid = (holder.st_uid, holder.st_gid) if is_root else (os.geteuid(), _group_in(holder))
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


def foreseen_for(path: Path, permissions: Permissions | None) -> Ownership:
    """Return what the file `path`, which is not there, would get."""
    holder = next(folder for folder in path.parents if folder.is_dir())
    return ownership_for(permissions, holder.stat())


def _group_in(holder: os.stat_result) -> int:
    """Return the group that the kernel gives to what this process makes in the folder."""
    return holder.st_gid if holder.st_mode & stat.S_ISGID else os.getegid()


def _id_here(
    name: str | None, number: int, by_name: Callable[[str], int], by_number: Callable[[int], object]
) -> int | None:
    """Return the id that the owner has on this machine: by the name first; None where nobody is known to be that owner.

    The number counts where it had no name, or has none here: another user may bear it by now.
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


def note_on(path: Path, permissions: Permissions | None, given: Ownership) -> list[str]:
    """Return a note where `path`, which was created, has not the mode and owner that it had."""
    if permissions is None:
        return [printable(f"{path} was created with {given}: the backup does not say what it had")]
    names = permissions.user or permissions.uid, permissions.group or permissions.gid
    had = "mode {:04o}, owner {}:{}".format(permissions.mode, *names)
    return [] if had == str(given) else [printable(f"{path} was created with {given}; it had {had}")]
