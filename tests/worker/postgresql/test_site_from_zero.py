"""The site itself on PostgreSQL: dumped and restored by the programs of the server, in one transaction."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from backups.errors import ComponentError, DamagedComponent
from backups.instances.kinds.backupsite.postgres import require_site
from backups.instances.kinds.backupsite.programs import Server, matching
from tests.support.sites.postgres_server import Postgres
from tests.support.sites.worker_site import Site
from tests.worker.test_site_from_zero import found_again

AGAIN = """
from pathlib import Path
from django.core.management import call_command as call
from django.db import connection
from backups.models import BackupExecution

def run(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else None

def rows():
    return sorted(BackupExecution.objects.values_list("pk", "status"))

BackupExecution.objects.update(status="failed")
run("CREATE TABLE theirs AS SELECT id FROM backup_executions")
run("CREATE TABLE referring (backup text REFERENCES backup_executions (id))")
before = rows()
try:
    call(*{restore})
except Exception as error:
    print("refused" if "rolled back" in str(error) and "referring" not in str(error) else error, rows() == before)
run("DROP TABLE referring")
call(*{restore})
print(sorted(status for _, status in rows()), run("SELECT count(*) FROM theirs"))
call("restoresite", "--undo", max(Path({home!r}, "replaced").iterdir()), "--confirm")
print(rows() == before, run("SELECT count(*) FROM theirs"))
"""


def test_a_site_on_postgresql(postgres: Postgres, postgres_site: Site, tmp_path: Path) -> None:
    new, restore = found_again(postgres_site, tmp_path, DATABASE_URL=postgres.create(f"zero_{abs(hash(tmp_path))}"))
    # tables of another program stay, and one that refers to its own stops it; that is told without DETAIL
    printed = new.python(AGAIN.format(restore=restore, home=str(new.home))).splitlines()
    assert [line for line in printed if line[:4] in ("refu", "['co", "True", "Fals")] == [
        "refused True",
        "['completed', 'interrupted'] [(2,)]",
        "True [(2,)]",
    ], printed


def test_its_password_is_in_the_environment_of_the_programs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "not-theirs")
    monkeypatch.setenv("PGPASSFILE", "/etc/site/pgpass")
    values = {"NAME": "site=1", "HOST": "db", "PORT": 5433, "USER": "site", "PASSWORD": "hunter22", "OPTIONS": {}}
    server = Server(values | {"OPTIONS": {"sslmode": "require"}})
    found = server.environment()
    assert (found["PGPASSWORD"], found["PGDATABASE"], found["PGHOST"], found["PGPORT"]) == (
        "hunter22", "site=1", "db", "5433",
    )  # fmt: skip
    assert (found["PGSSLMODE"], found["PGPASSFILE"]) == ("require", "/etc/site/pgpass")
    assert "SECRET_KEY" not in found
    with pytest.raises(ComponentError) as failed:
        server.run("/bin/sh", "-c", 'echo "x: ERROR:  password=$PGPASSWORD" >&2; echo "DETAIL: (a)=(b)" >&2; exit 1')
    assert "hunter22" not in failed.value.text
    assert "DETAIL" not in failed.value.text


def test_a_program_that_is_older_than_the_server_is_refused() -> None:
    with pytest.raises(ComponentError) as refused:
        matching("psql", 99)
    assert "postgresql-client-99" in refused.value.hint


ROWS = "COPY public.notes (text) FROM stdin;\nCREATE TABLE of.a_row (\n\\.\n"
TABLES = "CREATE TABLE public.django_migrations (\n);\nCREATE TABLE public.backup_executions (\n);\n"
END = "--\n-- PostgreSQL database dump complete\n--\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TABLES + ROWS + END, ""),
        (TABLES + ROWS, "before the end"),
        (TABLES + ROWS.removesuffix("\\.\n") + END, "in the middle"),
        (ROWS + END, "lacks backup_executions and django_migrations"),
    ],
    ids=["whole", "cut", "cut in rows", "of something else"],
)
def test_a_dump_that_is_not_whole_is_found_by_a_drill(text: str, said: str, tmp_path: Path) -> None:
    dump = tmp_path / "database.sql"
    dump.write_text(text)
    with nullcontext() if not said else pytest.raises(DamagedComponent, match=said):
        require_site(dump)
