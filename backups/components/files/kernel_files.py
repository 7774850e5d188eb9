"""File systems that the kernel makes, such as /proc of a chroot: no data is in them, so they are left out of trees."""

import os
from pathlib import Path

from backups.errors import Untouched
from backups.lib.site_paths import SitePath, SitePathsBelow
from destinations.lib.mounts import Mount, mount_of, mounts

# their files are endless, change while they are read, or do something when they are written
# fmt: off
KERNEL_TYPES = frozenset({
    "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "cpuset", "debugfs", "devpts", "devtmpfs", "efivarfs",
    "fuse.lxcfs", "fusectl", "mqueue", "nfsd", "nsfs", "proc", "pstore", "resctrl", "rpc_pipefs", "securityfs",
    "selinuxfs", "smackfs", "sysfs", "tracefs",
})
# fmt: on


def with_kernel_files(own: SitePathsBelow, root: Path) -> SitePathsBelow:
    """Return the `own` paths together with the file systems of the kernel that are mounted below the folder `root`."""
    root = root.resolve()
    found = {
        mount.point.relative_to(root).parts: SitePath(_what(mount), mount.point, of_site=False)
        for mount in mounts()
        if mount.point != root and mount.point.is_relative_to(root) and _shows(mount, mount.point)
    }
    if not found:
        return own
    return SitePathsBelow({tuple(name.split("/")): place for name, place in own.places.items()} | found)


def kernel_made(path: Path) -> Untouched | None:
    """Return the refusal of a component at `path` that lies in such a file system itself."""
    holding = mount_of(path.resolve(), mounts())
    if holding is None or not _shows(holding, path):
        return None
    return Untouched(f"{path} holds {_what(holding)}, and no data.", hint="Leave it out of the instance.")


def _what(mount: Mount) -> str:
    return f"files that the kernel makes ({mount.type})"


def _shows(mount: Mount, path: Path) -> bool:
    """Return whether `path` lies in this file system of the kernel, and not in one that was mounted over it later."""
    # first: a share whose server is gone would not answer
    if mount.type not in KERNEL_TYPES:
        return False
    try:
        device = path.stat().st_dev
    except OSError:  # what cannot be reached is reported where it is read
        return False
    return mount.device == f"{os.major(device)}:{os.minor(device)}"


class ContentLeftOut:
    """What a backup leaves out: the `own` paths, and of file systems of the kernel all but their mount points.

    A restore where nothing is mounted there has to make the folders on which it is to be mounted.
    """

    def __init__(self, own: SitePathsBelow) -> None:
        self._own = own
        self._points = {name for name, place in own.places.items() if not place.of_site and place.path.is_dir()}

    def holds(self, name: str) -> bool:
        return name not in self._points and self._own.holds(name)
