"""What changes something needs the permission to see backups too, also where a form is sent without its page."""

import pytest

from backups.models import RestoreExecution
from tests.support.pages.admin_pages import url
from tests.support.pages.restore_pages import MAY, RESTORES, SEE, a_restore, confirmed, page_of
from tests.support.rows import VIEW, Status, a_client, an_execution

pytestmark = pytest.mark.django_db


def test_who_may_restore_and_not_see_backups_does_nothing_with_restores() -> None:
    restore, queued = a_restore(), a_restore("wiki", status=Status.QUEUED)
    blind = a_client(MAY)
    backup = an_execution()
    for address in (url(backup, "restore"), page_of(restore, "undo"), page_of(restore, "acknowledge")):
        assert blind.post(address, confirmed(backup)).status_code == 403, address
    assert blind.post(page_of(queued, "cancel")).status_code == 403
    assert blind.get(RESTORES).status_code == 403
    restore.refresh_from_db()
    queued.refresh_from_db()
    assert (restore.acknowledged_at, queued.status, RestoreExecution.objects.count()) == (None, Status.QUEUED, 2)


def test_with_both_they_are_done_and_who_only_sees_restores_sees_them() -> None:
    restore, queued = a_restore(), a_restore("wiki", status=Status.QUEUED)
    client = a_client(MAY, VIEW)
    assert client.get(RESTORES).status_code == 200
    assert client.post(page_of(restore, "acknowledge")).status_code == 302
    assert client.post(page_of(queued, "cancel")).status_code == 302
    queued.refresh_from_db()
    assert queued.status == Status.CANCELLED
    auditor = a_client(SEE, name="auditor")
    assert auditor.get(page_of(restore)).status_code == 200
    assert auditor.post(page_of(restore, "acknowledge")).status_code == 403
