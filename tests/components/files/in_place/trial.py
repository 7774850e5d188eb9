"""A component whose tree is backed up, spoilt and restored."""

from pathlib import Path

from backups.archive.manifest.document import Entry
from backups.components.base import ApplyContext, ExportContext
from backups.components.files.component import FilesComponent
from tests.support.restores.instance_restores import sha256, tree


class Trial:
    """A component whose tree is backed up, spoilt and restored."""

    def __init__(self, live: Path, folder: Path) -> None:
        self.live, self.folder = live, folder
        self.component = FilesComponent("data", live, member="data")

    def back_up(self) -> None:
        self.folder.mkdir()
        self.component.export(ExportContext(self.folder, 1.0, lambda _: None))
        path = self.folder / "data.tar"
        self.entries = [Entry(path.name, path.stat().st_size, sha256(path), "data", "data")]
        self.before = tree(self.live)

    def restore(self) -> list[str]:
        context = ApplyContext(self.folder, 1.0, lambda _: None)
        assert [str(one) for one in self.component.obstacles(self.entries)] == []
        self.component.apply(self.entries, context)
        return self.component.verify(self.entries, context)

    def drafts(self) -> list[str]:
        return [str(path) for path in self.live.parent.rglob("*restoring*")]
