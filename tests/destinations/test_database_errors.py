"""An error of the site's database comes with the hint that belongs to it, and to no other."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from django.db import DatabaseError, connections
from django.db.backends.sqlite3.base import DatabaseWrapper

from destinations.lib import database_errors
from destinations.lib.database_errors import MIGRATE, DatabaseUnusable, database_error
from tests.support.file_systems import small_disk

pytestmark = pytest.mark.django_db


def fill(folder: Path, *, leave: int = 0) -> None:
    with (folder / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"\1" * 4096)
        except OSError:
            filler.truncate(max(0, filler.tell() - leave))


def failing(path: Path, monkeypatch: pytest.MonkeyPatch, *statements: str) -> DatabaseUnusable:
    """Return the error of the `statements` with the database `path` of the site."""
    database = DatabaseWrapper(connections["default"].settings_dict | {"NAME": str(path)})
    monkeypatch.setattr(database_errors, "connection", database)
    try:
        with pytest.raises(DatabaseError) as raised, database.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        database.close()
    return database_error(raised.value)


def test_only_a_missing_table_or_column_asks_for_migrate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "site.sqlite3"
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE t (a)")
    for statement in ("SELECT * FROM missing", "SELECT missing FROM t", "INSERT INTO t (missing) VALUES (1)"):
        assert failing(path, monkeypatch, statement).hint == MIGRATE
    path.write_bytes(b"no database at all, and long enough to be read as one" * 100)
    assert "docs/catalogue.md" in failing(path, monkeypatch, "SELECT 1 FROM t").hint
    missing = failing(tmp_path / "gone" / "site.sqlite3", monkeypatch, "SELECT 1 FROM t")
    assert "must be able to write" in missing.hint and str(tmp_path / "gone") in missing.hint


def test_a_full_disk_is_named_where_sqlite_speaks_of_an_input_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "disk", megabytes=1) as disk:
        with closing(sqlite3.connect(disk / "site.sqlite3")) as made:
            made.execute("PRAGMA journal_mode=WAL")
            made.execute("CREATE TABLE t (a)")
        fill(disk)
        error = failing(
            disk / "site.sqlite3", monkeypatch, "PRAGMA journal_mode=WAL", "INSERT INTO t VALUES (zeroblob(99999))"
        )
    assert "disk I/O error" in error.message or "full" in error.message
    assert f"mounted at {disk}: it has 0 B free" in error.hint


def test_a_server_that_does_not_answer_and_one_whose_disk_is_full_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class AnswerError(Exception):
        sqlstate: str | None = None

    class Server:
        vendor = "postgresql"

    monkeypatch.setattr(database_errors, "connection", Server())

    def hint(state: str | None) -> str:
        error, cause = DatabaseError("what the server answered"), AnswerError()
        cause.sqlstate = state
        error.__cause__ = cause
        return database_error(error).hint

    assert hint("42P01") == hint("42703") == MIGRATE
    assert "disk of the database server" in hint("53100")
    assert "DATABASE_URL" in hint(None)
    assert hint("40001") == ""
