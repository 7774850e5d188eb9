"""File systems that the kernel makes, such as /proc of a chroot: no data is in them, so they are left out of trees."""

from pathlib import Path

from backups.errors import Untouched
from backups.lib.filesystem.mounts import mount_of, mounts
from backups.lib.site_paths import SitePath, SitePathsBelow

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
    # of several mounts at one point the last one is visible
    below = {mount.point: mount.type for mount in mounts() if mount.point != root and mount.point.is_relative_to(root)}
    found = {
        point.relative_to(root).parts: SitePath(f"files that the kernel makes ({type_})", point, of_site=False)
        for point, type_ in below.items()
        if type_ in KERNEL_TYPES
    }
    if not found:
        return own
    return SitePathsBelow({tuple(name.split("/")): place for name, place in own.places.items()} | found)


def kernel_made(path: Path) -> Untouched | None:
    """Return the refusal of a component at `path` that lies in such a file system itself."""
    holding = mount_of(path.resolve(), mounts())
    if holding is None or holding.type not in KERNEL_TYPES:
        return None
    return Untouched(
        f"{path} holds files that the kernel makes ({holding.type}), and no data.", hint="Leave it out of the instance."
    )


class ContentLeftOut:
    """What a backup leaves out: the `own` paths, and of file systems of the kernel all but their mount points.

    A restore where nothing is mounted there has to make the folders on which it is to be mounted.
    """

    def __init__(self, own: SitePathsBelow) -> None:
        self._own = own
        self._points = {name for name, place in own.places.items() if not place.of_site and place.path.is_dir()}

    def holds(self, name: str) -> bool:
        return name not in self._points and self._own.holds(name)
