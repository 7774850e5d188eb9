"""How the tests are distributed over the processes of pytest-xdist.

The mark ``xdist_group`` cannot be used: pytest-xdist 3.8.0 loses it with pytest 9.2 (pytest-dev/pytest-xdist#1386).
"""

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

# The tests of such a folder share servers, browsers and templates of sites, which are made once in a process. They are
# also the longest ones: a folder is one unit, and pytest-xdist begins with the units of the most tests. The first that
# matches counts: only the tests of `postgresql` need its server.
TOGETHER = (
    "tests/worker/postgresql/",
    "tests/worker/",
    "tests/end_to_end/",
    "tests/destinations/",
    "tests/instances/kinds/test_registry.py",
)
# Single tests of many seconds: begun last, they would keep one process busy while the others have nothing left.
LONG = (
    "tests/components/sqlite/test_newest_sqlite.py",
    "tests/management/",
    "tests/project/test_hostile_databases.py",
    "tests/project/test_patterns.py",
    "tests/project/test_upgrade",
    "tests/service/backup/test_killed.py",
    "tests/service/restore/killed/",
    "tests/service/restore/own_places/",
    "tests/service/restore/test_live_service.py",
    "tests/service/restore/test_unrecorded.py",
)


class FoldersTogether(LoadScopeScheduling):
    """Gives all tests of a folder in `TOGETHER` to one process, and each other test to whichever is free."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid)

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        # without what is done: pytest-xdist counts all units that a process was given, after each test
        work, nodeid = self.assigned_work[node], self.registered_collections[node][item_index]
        unit = work[self._split_scope(nodeid)]
        unit[nodeid] = True
        if all(unit.values()):
            del work[self._split_scope(nodeid)]
        self._reschedule(node)
