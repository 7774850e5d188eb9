"""A run that the site's database ends: full, locked or gone are named, with what to do."""

import sqlite3
from pathlib import Path

import pytest
from django.db import IntegrityError, OperationalError, connection

from backups.runs.finish import ending_of

pytestmark = pytest.mark.django_db


def full(path: Path) -> None:
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.execute("create table t(x)")
        database.execute("pragma max_page_count=2")
        database.execute("insert into t values(zeroblob(100000))")
    finally:
        database.close()


def test_a_full_database_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # 0 bytes for whatever the machine has
    monkeypatch.setattr("destinations.lib.database_errors.LEAST_FREE", 1 << 62)
    with pytest.raises(OperationalError) as failed, connection.wrap_database_errors:
        full(tmp_path / "full.sqlite3")
    ending = ending_of(failed.value, "Nothing was changed.")
    assert ending.message == "The database cannot be used: database or disk is full. Nothing was changed."
    assert ending.hint.startswith("Free space on ")


def test_an_error_that_may_quote_values_is_not_shown() -> None:
    ending = ending_of(IntegrityError("Key (password)=(Xk9Horse) already exists."))
    assert ending.message == "Unexpected error IntegrityError, see the log."
