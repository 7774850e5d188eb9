"""Replacing a tree in place: its root stays, and so do mount points, the site's own paths, and the folders above those.

Every other entry of these folders is swapped with the entry that was built for it, name by name, each swap atomic. The
site's own paths are not moved, opened or changed.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from backups.components.files.replacing.layout import Region
from backups.components.files.replacing.mounted_file import MountedFile
from backups.components.files.replacing.steps import Step, carry_out
from backups.components.files.replacing.swap import Metadata, Pair
from backups.errors import Untouched
from backups.lib.filesystem.atomic import FOLDER, translate_os_errors
from backups.lib.filesystem.folders import open_below
from backups.lib.filesystem.walk import DRAFT_INSIDE
from destinations.lib.disks import fsync_folder


@dataclass(frozen=True, slots=True)
class _Folder:
    """Descriptors of a folder that stays and of the folder built for it; `model` is None when the backup has none."""

    live: int
    draft: int
    model: Metadata | None


def replace_in_place(regions: Sequence[Region], files: Sequence[MountedFile], live: Path) -> os.stat_result:
    """Swap what lies in the folders of each region, and write the mounted `files`; return the stat of `live`.

    Raises Untouched when everything is as before, and ComponentError when it is not.
    """
    with ExitStack() as opened:
        steps, staying = list[Step](), list[_Folder]()
        with translate_os_errors(live, Untouched):
            for region in regions:
                folders = _open_folders(region, live, opened)
                staying += folders.values()
                steps += [step for path, folder in folders.items() for step in _changes(path, folder, folders, region)]
            for folder in staying:
                if folder.model is not None:
                    before = Metadata.of(folder.live)
                    steps.append(Step(partial(folder.model.give, folder.live), partial(before.give, folder.live)))
            steps += [Step(file.replace, file.revert) for file in files]
        carry_out(steps, live)
        for folder in staying:
            fsync_folder(folder.live)
        return os.fstat(staying[0].live)


def _open_folders(region: Region, live: Path, opened: ExitStack) -> dict[str, _Folder]:
    """Open the root of the region, called "", and the folders that lead to what stays in it."""
    root = open_below(live, region.scope.root, FOLDER)
    opened.callback(os.close, root)
    inside = region.draft.name == DRAFT_INSIDE
    built = _built(DRAFT_INSIDE, root, opened) if inside else _built(region.draft, None, opened)
    folders = {"": _Folder(root, *built)}
    for path in region.scope.ways:
        parent, _, name = path.rpartition("/")
        if parent not in folders:
            continue
        # without following a link: a user who may write there could replace the folder by one
        try:
            live_folder = _opened(name, folders[parent].live, opened)
        except (FileNotFoundError, NotADirectoryError):  # it is swapped as a whole, as any other entry
            continue
        folders[path] = _Folder(live_folder, *_built(name, folders[parent].draft, opened))
    return folders


def _opened(name: str | Path, parent: int | None, opened: ExitStack) -> int:
    descriptor = os.open(name, FOLDER, dir_fd=parent)
    opened.callback(os.close, descriptor)
    return descriptor


def _built(name: str | Path, parent: int | None, opened: ExitStack) -> tuple[int, Metadata | None]:
    """Open a folder of the draft and return its descriptor and model; a missing one is made, without a model."""
    model = None
    try:
        descriptor = _opened(name, parent, opened)
        model = Metadata.of(descriptor)
    except FileNotFoundError:
        # the backup has no such folder; the entries that the swap removes are moved into this one
        os.mkdir(name, dir_fd=parent)
        descriptor = _opened(name, parent, opened)
    # its own mode may not let the owner change it
    os.fchmod(descriptor, 0o700)
    return descriptor, model


def _changes(path: str, folder: _Folder, folders: dict[str, _Folder], region: Region) -> Iterator[Step]:
    for name, step in Pair(folder.live, folder.draft).steps().items():
        inner = f"{path}/{name}" if path else name
        if not (inner in folders or region.scope.holds(inner) or (not path and name == DRAFT_INSIDE)):
            yield step
