"""The tests of databases again, with the newest SQLite instead of that of this Python."""

import os
import subprocess
import sys
from importlib.util import find_spec

from tests.support.paths import PROJECT
from tests.support.programs import missing

FILES = (
    "test_content.py",
    "test_virtual_tables.py",
    "test_foreign_modules.py",
    "test_hostile_schemas.py",
    "test_names_not_utf8.py",
    "test_shares.py",
    "test_snapshot.py",
    "test_unknown_definitions.py",
    "restore",
)
# what takes long and does not depend on the version
LEFT_OUT = (
    "not (large_value or of_any_size or damaged_anywhere or never_blocked or cancelled or may_only_read or unreadable"
    " or this_user_may_not or read_only_user or held_too_long or held_past_the_deadline or short_lock"
    " or changed_anywhere or end_every_thread)"
)


def test_databases_are_checked_copied_and_restored_with_the_newest_sqlite_too() -> None:
    if find_spec("pysqlite3") is None:
        missing("pysqlite3-binary is not installed")
    files = [f"tests/components/sqlite/{name}" for name in FILES]
    pytest = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.support.databases.newest_sqlite",
        "-p",
        "no:cacheprovider",
    ]
    ended = subprocess.run(
        [*pytest, "-k", LEFT_OUT, *files],
        cwd=PROJECT, env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout
    assert " passed" in ended.stdout
