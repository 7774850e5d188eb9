"""What became of an archive: stored, missing or deleted, as the list, its filters and the page of a backup show it."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from backups.models import BackupExecution
from destinations.models import BackupDestination
from tests.support.archives.stored import file_of, stored
from tests.support.pages.admin_pages import LIST, url
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, Status, a_client, a_drill, an_execution, recopied

pytestmark = pytest.mark.django_db
NOW = timezone.now()
GONE = {"missing_at": NOW, "verified_at": NOW, "drill": {"verdict": "passed", "at": NOW.isoformat(), "seconds": 1}}
DELETED = {"deleted_at": NOW, "deleted_by": "retention", "deleted_reason": "beyond 7 days (simple)", "verified_at": NOW}


def badge_of(backup: BackupExecution, client: Client) -> tuple[str, str, str]:
    """Return label, tone and detail of the row in the list."""
    state = page_at(client, LIST).run(backup.pk)
    label = state.field("label")
    return label.text, label.status, state.field("detail").text


def test_a_missing_archive_is_a_loss_in_amber_and_a_deleted_one_is_neutral() -> None:
    client = a_client(VIEW)
    assert badge_of(an_execution(verified_at=NOW), client)[:2] == ("Completed", "completed")
    assert badge_of(an_execution(**GONE), client)[:2] == ("Missing", "late")
    deleted = badge_of(an_execution(**DELETED), client)
    assert deleted == ("Deleted", "deleted", "by retention: beyond 7 days (simple)")


def test_a_row_from_before_the_name_was_kept_shows_the_reason() -> None:
    assert badge_of(an_execution(deleted_at=NOW, deleted_reason="old"), a_client(VIEW))[2] == "old"
    assert an_execution(status=Status.FAILED, missing_at=None).is_missing is False


def test_the_page_of_a_missing_one_says_what_to_do_and_praises_nothing() -> None:
    page = page_at(a_client(VIEW), url(an_execution(**GONE)))
    assert page.field("verified_at").status == "gone"
    assert "missing" in page.notices() and "drill-passed" not in page.notices()
    page = page_at(a_client(VIEW, name="carol"), url(an_execution(**DELETED)))
    assert page.facts("deleted_by", "deleted_reason") == {
        "deleted_by": "retention",
        "deleted_reason": "beyond 7 days (simple)",
    }
    assert page.field("verified_at").status == "gone"


@pytest.fixture
def rows() -> dict[str, BackupExecution]:
    made = {
        "plain": an_execution(),
        "failed": an_execution(status=Status.FAILED, encryption=""),
        "missing": an_execution(missing_at=NOW),
        "deleted": an_execution(**DELETED, encryption="age"),
        "pinned": an_execution(pinned=True, pin_reason="audit"),
        "encrypted": an_execution(encryption="age"),
        "proven": an_execution(),
        "bad": an_execution(),
    }
    a_drill(made["proven"], verdict="passed")
    a_drill(made["bad"], verdict="failed")
    return made


STORED = {"plain", "pinned", "encrypted", "proven", "bad"}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"archive": "stored"}, STORED),
        ({"archive": "missing"}, {"missing"}),
        ({"archive": "deleted"}, {"deleted"}),
        ({"pin": "yes"}, {"pinned"}),
        ({"drill": "passed"}, {"proven"}),
        ({"drill": "failed"}, {"bad"}),
        ({"drill": "none"}, STORED - {"proven", "bad"}),
        ({"encryption": "yes"}, {"encrypted", "deleted"}),
        ({"encryption": "no"}, STORED - {"encrypted"} | {"missing"}),
        ({"archive": "stored", "encryption": "yes"}, {"encrypted"}),
    ],
)
def test_filters_find_what_became_of_archives(
    rows: dict[str, BackupExecution], query: dict[str, str], names: set[str]
) -> None:
    address = f"{LIST}?{'&'.join(f'{key}={value}' for key, value in query.items())}"
    page = page_at(a_client(VIEW), address)
    assert set(page.listed_runs()) == {rows[name].pk for name in names}
    for key in query:
        assert page.filter_links(key)


def test_the_list_says_how_many_restore_points_there_are(rows: dict[str, BackupExecution]) -> None:
    client = a_client(VIEW)
    # neither the missing and the deleted one, nor that whose drill failed
    assert page_at(client, LIST).field("restore_points").value == str(len(STORED) - 1)
    an_execution("wiki")
    assert page_at(client, LIST).field("restore_points").value == str(len(STORED))
    assert page_at(client, f"{LIST}?instance=wiki").field("restore_points").value == "1"


@pytest.fixture
def lost(destination: BackupDestination) -> BackupExecution:
    backup = stored(destination)
    file_of(backup).unlink()
    BackupExecution.objects.update(missing_at=NOW)
    recopied()
    backup.refresh_from_db()
    return backup


def sent(**fields: Any) -> dict[str, Any]:
    return {"confirm": "app", "reason": "the disk died", **fields}


def test_the_loss_is_accepted_on_a_page_that_says_what_else_can_be_done(lost: BackupExecution) -> None:
    client = a_client(VIEW, "delete_backup")
    page = page_at(client, url(lost, "accept_loss"))
    assert "missing" in page.notices()
    assert page.field("restore_points").value == "0"
    assert client.post(url(lost, "accept_loss"), sent(confirm="other")).status_code == 400
    assert client.post(url(lost, "accept_loss"), sent(reason="")).status_code == 400
    lost.refresh_from_db()
    assert lost.deleted_at is None
    assert client.post(url(lost, "accept_loss"), sent()).status_code == 302
    lost.refresh_from_db()
    assert (lost.deleted_by, lost.deleted_reason) == ("bob", "lost: the disk died")
    assert badge_of(lost, client)[:2] == ("Deleted", "deleted")


def test_accepting_a_loss_needs_the_permission_to_delete(lost: BackupExecution) -> None:
    client = a_client(VIEW, "run_backup")
    assert "accept_loss" not in page_at(client, url(lost)).actions()
    assert client.post(url(lost, "accept_loss"), sent()).status_code == 403
    lost.refresh_from_db()
    assert lost.deleted_at is None


def test_a_stored_one_has_no_loss_to_accept() -> None:
    backup = an_execution()
    client = a_client(VIEW, "delete_backup")
    assert client.post(url(backup, "accept_loss"), sent(confirm="shop")).status_code == 302
    backup.refresh_from_db()
    assert backup.deleted_at is None
