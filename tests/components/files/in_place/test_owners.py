"""Trees in folders of other users are replaced in place, and what cannot be replaced is foreseen."""

import os
from pathlib import Path

import pytest

from tests.support.processes.unprivileged_user import NOBODY, open_way, run_as_nobody

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount and give files away")


@as_root
def test_a_user_who_owns_only_the_folder_itself_gets_its_content_back(live: Path, tmp_path: Path) -> None:
    for path in (live, *live.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    live.parent.chmod(0o755)
    open_way(tmp_path)
    (tmp_path / "staged").mkdir()
    os.chown(tmp_path / "staged", NOBODY, NOBODY)
    program = """
import os, sys
from pathlib import Path
from backups.archive.manifest.document import Entry
from backups.components.base import ApplyContext, ExportContext
from backups.components.files.component import FilesComponent
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
live, staged = map(Path, sys.argv[1:])
component = FilesComponent("data", live, member="data")
component.export(ExportContext(staged, 1.0, lambda _: None))
entries = [Entry("data.tar", 1, "", "data", "data")]
print([str(one) for one in component.obstacles(entries)])
(live / "first").write_text("changed")
(live / "conf" / "stray").mkdir()
context = ApplyContext(staged, 1.0, lambda _: None)
component.apply(entries, context)
print(component.verify(entries, context))
print((live / "first").read_text(), sorted(path.name for path in (live / "conf").iterdir()))
print(sorted(path.name for path in live.iterdir()))
"""
    assert run_as_nobody(program, str(live), str(tmp_path / "staged")).splitlines() == [
        "[]",
        "[]",
        "first ['app.ini', 'other.ini']",
        "['conf', 'first', 'volume']",
    ]


@as_root
def test_a_folder_of_another_user_in_the_tree_is_foreseen(live: Path, tmp_path: Path) -> None:
    os.chown(live, NOBODY, NOBODY)
    os.chown(live.parent, NOBODY, NOBODY)
    open_way(tmp_path)
    program = """
import os, sys
from pathlib import Path
from backups.components.files.component import FilesComponent
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
component = FilesComponent("data", Path(sys.argv[1]), member="data")
print(*component.obstacles(), sep="\\n")
"""
    printed = run_as_nobody(program, str(live))
    assert printed.splitlines()[0].startswith(f"{live} cannot be replaced: this user may not write to {live}/conf.")
