"""Tables, components, sections, instances and destinations may be called like the methods of a mapping."""

import hashlib
import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from backups.archive.manifest.document import Entry
from backups.archive.tar.write import Part, write_archive
from backups.models import BackupExecution, BackupSchedule, DrillExecution, RestoreExecution
from backups.service.drill.run import drill
from destinations.models import BackupDestination
from tests.support.archives.stored import put
from tests.support.pages.admin_pages import LIST
from tests.support.pages.parsed import Page
from tests.support.restores.instance_restores import change, restore, undo
from tests.support.rows import a_manifest
from tests.support.site_fixtures import BackUp, Declare

pytestmark = pytest.mark.django_db

# what the grammar of names allows of them
PLAIN = ("items", "keys", "values", "get", "0", "count", "forloop", "copy", "pop")
NAMES = (*PLAIN, "", "<script>alert(1)</script>", "{{ 7|add:7 }}", "a\"b'c")
RESTORES, DRILLS = "/admin/backups/restoreexecution/", "/admin/backups/drillexecution/"


@pytest.fixture
def root(tmp_path: Path, declare: Declare) -> Path:
    """Return the root of the instance `items`: a database and a folder under each plain name."""
    root = tmp_path / "odd"
    root.mkdir()
    text = f'[items]\nkind = "generic"\nroot = "{root}"\n'
    for name in PLAIN:
        text += f'[items.components.{name}]\nkind = "sqlite"\npath = "{name}.db"\n'
        make(root / f"{name}.db")
        text += f'[items.components.{name}-files]\nkind = "files"\npath = "{name}"\n'
        (root / name).mkdir()
        for inner in PLAIN:
            (root / name / inner).write_text(inner)
    declare(text)
    return root


def make(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for name in NAMES:
            table = name.replace('"', '""')
            connection.execute(f'CREATE TABLE "{table}"(id INTEGER PRIMARY KEY, "items" TEXT, updated_at TEXT)')
            connection.execute(f"INSERT INTO \"{table}\"(updated_at) VALUES ('2026-01-01 00:00:00')")
        connection.commit()


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    return client


def shown(client: Client, *addresses: str) -> dict[str, str]:
    """Return the pages, each of which has to answer."""
    answers = {address: client.get(address) for address in addresses}
    assert {address: answer.status_code for address, answer in answers.items()} == dict.fromkeys(addresses, 200)
    return {address: answer.content.decode() for address, answer in answers.items()}


def assert_tables(page: str) -> None:
    rows = Page(page).all("tr", data_row="*")
    shown = {(row["data-row"], head.text) for row in rows for head in row.all("th", scope="row")}
    for name in NAMES:
        assert (name, " ".join(name.split())) in shown, name
    assert "<script>alert" not in page and ">14<" not in page


def pages_of(backup: BackupExecution) -> Iterator[str]:
    yield from (
        "/admin/",
        LIST,
        RESTORES,
        DRILLS,
        f"{LIST}import/",
        "/admin/backups/keys/",
        f"{LIST}start/?instance=items",
    )
    yield from ("/admin/backups/instances/items/", f"{LIST}{backup.pk}/change/", f"{LIST}{backup.pk}/restore/")
    destination = f"/admin/destinations/backupdestination/{backup.destination.pk}/"
    yield from (f"{destination}{view}/" for view in ("change", "retention", "catalogue"))
    yield from ("/admin/destinations/backupdestination/", "/admin/backups/backupschedule/")


def test_every_page_of_a_backup_and_its_restore_shows_odd_names(
    root: Path, back_up: BackUp, destination: BackupDestination, client: Client
) -> None:
    BackupDestination.objects.filter(pk=destination.pk).update(name="items")
    BackupSchedule.objects.create(
        name="items",
        instance="items",
        destination=destination,
        type="interval",
        expression="hours:24",
        created_by="tests",
    )
    backup = back_up("items")
    assert backup.status == "completed"

    assert_tables(shown(client, *pages_of(backup))[f"{LIST}{backup.pk}/change/"])
    for name in PLAIN:
        change(root / f"{name}.db", "INSERT INTO \"items\"(updated_at) VALUES ('2026-02-01 00:00:00')")
        (root / name / "items").write_text("another")
    assert_tables(shown(client, f"{LIST}{backup.pk}/restore/")[f"{LIST}{backup.pk}/restore/"])

    done = restore(backup, "items")
    page = f"{RESTORES}{done.pk}/"
    found = shown(client, f"{page}change/", f"{page}undo/", *pages_of(backup))
    outcome = Page(found[f"{page}change/"]).section("components").rows()
    assert set(PLAIN) <= set(outcome)
    assert_tables(found[f"{page}undo/"])
    assert client.post(f"{page}acknowledge/", follow=True).status_code == 200
    undone = undo(done)
    shown(client, f"{RESTORES}{undone.pk}/change/", *pages_of(backup))

    drill(backup, by="tests")
    shown(client, *(f"{DRILLS}{pk}/change/" for pk in DrillExecution.objects.values_list("pk", flat=True)))
    assert RestoreExecution.objects.filter(status="completed").count() == 2


def test_sections_and_overrides_with_odd_names_are_shown(tacacs_root: Path, back_up: BackUp, client: Client) -> None:
    config = tacacs_root / "config" / "tacacs.conf"
    names = [name for name in NAMES if name and "]" not in name]
    keys = "".join(f"{key} = {key}\n" for key in PLAIN)
    config.write_text(config.read_text() + "".join(f"\n[{name}]\n{keys}" for name in names))
    for name in NAMES:
        section = name.replace("'", "''")
        change(
            tacacs_root / "data/config_overrides.db",
            "INSERT INTO config_overrides(section, key, value, value_type, created_by, active)"
            f" VALUES ('{section}', 'items', 'override', 'string', 'tests', 1)",
        )
    backup = back_up()
    change(tacacs_root / "data/config_overrides.db", "UPDATE config_overrides SET active = 0")
    restoring, about = f"{LIST}{backup.pk}/restore/", "/admin/backups/instances/tacacs-hq/"
    found = shown(client, restoring, about, f"{LIST}{backup.pk}/change/", "/admin/")
    for page in (Page(found[restoring]), Page(found[about])):
        shown_sections = {row.rpartition("] ")[0] for row in page.rows() if row.startswith("[")}
        assert {f"[{name}" for name in names} <= shown_sections
    assert "<script>alert" not in found[restoring] + found[about]
    done = restore(backup, components=["config.section:items"])
    shown(client, f"{RESTORES}{done.pk}/change/", f"{RESTORES}{done.pk}/undo/")


def test_an_archive_of_another_program_chooses_its_names(
    root: Path, destination: BackupDestination, tmp_path: Path, client: Client
) -> None:
    path = tmp_path / "data.db"
    make(path)
    data = path.read_bytes()
    checksum = hashlib.sha256(data).hexdigest()
    tables = dict.fromkeys(NAMES, 1)
    entries = tuple(
        Entry(
            f"f{number}.db", len(data), checksum, "database", name, len(tables), tables, dict.fromkeys(NAMES, "<b>2026")
        )
        for number, name in enumerate(NAMES)
    )
    manifest = replace(a_manifest("items"), contents=entries, absent=(), warnings=("{{ x.items }} <script>alert(1)",))
    target = io.BytesIO()
    write_archive(target, manifest, [Part(path, entry.file) for entry in entries], level=1)
    archive = tmp_path / "archive.tar.gz"
    archive.write_bytes(target.getvalue())
    with archive.open("rb") as file:
        answer = client.post(f"{LIST}import/", {"destination": destination.pk, "archive": file})
    assert answer.status_code == 302
    put(destination, "items/manual/backup-items-20260101-000000-manual.tar.gz", target.getvalue())
    row = BackupExecution.objects.latest()
    found = shown(
        client,
        "/admin/",
        LIST,
        f"{LIST}{row.pk}/change/",
        f"{LIST}{row.pk}/restore/",
        f"/admin/destinations/backupdestination/{destination.pk}/catalogue/",
    )
    assert_tables(found[f"{LIST}{row.pk}/change/"])
