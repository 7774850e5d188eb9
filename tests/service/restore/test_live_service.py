"""A restore under the eyes of a service that keeps reading and writing all of its databases."""

import time
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Any

import pytest

from tests.support.databases.sqlite_files import rows_of
from tests.support.processes.writing_service import WATCHED_ROWS, Service, move_on, prepare
from tests.support.restores.instance_restores import TACACS_DATABASES, restore, undo
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db(transaction=True)
OLD, NEW = [["later", WATCHED_ROWS]], [["backup", WATCHED_ROWS]]
ROUNDS = 4


@pytest.fixture
def databases(tacacs_root: Path) -> list[Path]:
    """The six databases, one half in WAL mode and one half not, as in the demo instance."""
    paths = [tacacs_root / path for path in TACACS_DATABASES.values()]
    modes = []
    for path in paths:
        prepare(path)
        with closing(connect(path)) as connection:
            modes.append(connection.execute("PRAGMA journal_mode").fetchone()[0])
    assert sorted(modes) == ["delete"] * 3 + ["wal"] * 3
    return paths


def assert_good(database: Path, score: dict[str, Any], states: list[object]) -> None:
    """It saw one state after the other, never a mixture, was locked for moments, and lost no later write."""
    assert score["errors"] == []
    assert score["states"] == states
    assert score["longest_lock"] < 5
    since = [(number,) for number, states_seen in score["written"] if states_seen == len(states)]
    assert len(since) > 5
    assert rows_of(database, "SELECT number FROM written ORDER BY id")[-len(since) :] == since
    assert rows_of(database, "PRAGMA integrity_check") == [("ok",)]


def test_a_service_sees_the_old_state_then_the_new_one_and_its_later_writes_stay(
    databases: list[Path], back_up: BackUp
) -> None:
    backup = back_up()
    for path in databases:
        move_on(path)
    with Service(databases) as service:
        time.sleep(0.3)
        restored = restore(backup)
        time.sleep(0.5)
    assert restored.status == "completed"
    for path in databases:
        assert_good(path, service.score[str(path)], [OLD, NEW])


def test_restore_and_undo_again_and_again_under_a_service_never_disturb_it(
    databases: list[Path], back_up: BackUp
) -> None:
    backup = back_up()
    for path in databases:
        move_on(path)
    with Service(databases) as service:
        last = restore(backup)
        for _ in range(ROUNDS - 1):
            time.sleep(0.1)
            last = undo(last)
        time.sleep(0.5)
    for path in databases:
        assert_good(path, service.score[str(path)], [*[OLD, NEW] * (ROUNDS // 2), OLD])
