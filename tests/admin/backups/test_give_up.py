"""Giving up a copy from the page of its backup."""

from typing import Any

import pytest
from django.utils import timezone

from backups.models import BackupCopy, BackupExecution
from tests.support.pages.admin_pages import url
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, a_copy, a_destination, an_execution

pytestmark = pytest.mark.django_db


@pytest.fixture
def backup() -> BackupExecution:
    return an_execution(copies_state="missing")


@pytest.fixture
def copy(backup: BackupExecution) -> BackupCopy:
    """Return the copy at the vault, which never arrived."""
    return a_copy(backup, a_destination("vault"), state="failed", path="", next_try_at=timezone.now())


def sent(copy: BackupCopy, **fields: Any) -> dict[str, Any]:
    return {"at": copy.pk, "confirm": "shop", "reason": "it was sold", **fields}


def test_a_missing_copy_is_given_up_with_a_reason(backup: BackupExecution, copy: BackupCopy) -> None:
    client = a_client(VIEW, "delete_backup")
    page = page_at(client, url(backup, "give_up_copy"))
    assert "gives-up" in page.notices()
    assert set(page.options("at")) == {"vault (failed)"}
    for wrong in ({"confirm": "other"}, {"reason": ""}, {"at": backup.copies.get(position=0).pk}):
        assert client.post(url(backup, "give_up_copy"), sent(copy, **wrong)).status_code == 400
    assert client.post(url(backup, "give_up_copy"), sent(copy)).status_code == 302
    copy.refresh_from_db()
    assert (copy.state, copy.deleted_by, copy.deleted_reason) == ("deleted", "bob", "given up: it was sold")
    page = page_at(client, url(backup))
    assert "give_up_copy" not in page.actions()
    assert "Gave up the copy at vault: it was sold" in page.section("history").text


def test_it_needs_the_permission_to_delete_and_a_copy_that_is_missing(
    backup: BackupExecution, copy: BackupCopy
) -> None:
    client = a_client(VIEW, "run_backup")
    assert "give_up_copy" not in page_at(client, url(backup)).actions()
    assert client.post(url(backup, "give_up_copy"), sent(copy)).status_code == 403
    whole = an_execution(copies_state="all")
    assert "give_up_copy" not in page_at(a_client(VIEW, "delete_backup", name="eve"), url(whole)).actions()
    copy.refresh_from_db()
    assert copy.state == "failed"
