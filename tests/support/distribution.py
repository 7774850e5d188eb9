"""How the tests are distributed over the processes of pytest-xdist.

The mark ``xdist_group`` cannot be used: pytest-xdist 3.8.0 loses it with pytest 9.2 (pytest-dev/pytest-xdist#1386).
"""

from xdist.scheduler import LoadScopeScheduling

# The tests of such a folder share servers, browsers and templates of sites, which are made once in a process. They are
# also the longest ones: a folder is one unit, and pytest-xdist begins with the units of the most tests.
TOGETHER = ("tests/worker/", "tests/end_to_end/", "tests/destinations/servers/")


class FoldersTogether(LoadScopeScheduling):
    """Gives all tests of a folder in `TOGETHER` to one process, and each other test to whichever is free."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid)
