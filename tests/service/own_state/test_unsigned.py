"""The database in an archive that no trusted key has signed brings no code of its own into this site."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from backups.archive.manifest.entry import Entry
from backups.components.base import ApplyContext
from backups.errors import ComponentError
from backups.instances.kinds.backupsite.database import OwnSQLite


@pytest.mark.parametrize("trusted", [True, False])
def test_a_trigger_in_a_database_of_unknown_origin_never_runs(tmp_path: Path, *, trusted: bool) -> None:
    staged, live = tmp_path / "database.sqlite3", tmp_path / "live.sqlite3"
    for path in (staged, live):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE runs (status TEXT)")
    with closing(sqlite3.connect(staged)) as connection:
        connection.execute("CREATE TRIGGER t AFTER INSERT ON runs BEGIN INSERT INTO runs VALUES ('theirs'); END")
    entry = Entry(staged.name, 1, "", "database", "database", trusted=trusted)
    context = ApplyContext(tmp_path, 1, lambda _: None)
    statement = "INSERT INTO runs VALUES ('ours')"
    if trusted:
        OwnSQLite(live).replace([entry], context, [statement])
    else:
        with pytest.raises(ComponentError):
            OwnSQLite(live).replace([entry], context, [statement])
    with closing(sqlite3.connect(live)) as connection:
        assert connection.execute("SELECT * FROM runs").fetchall() == ([("ours",), ("theirs",)] if trusted else [])
