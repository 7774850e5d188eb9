"""What pages say of restores that are not theirs: one under way, a restart that is due, an instance half restored."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from backups.checks.restores import check_half_restored
from backups.models import BackupExecution, InstanceState, RestoreExecution
from tests.support.pages.admin_pages import url
from tests.support.pages.parsed import page_at
from tests.support.pages.restore_pages import MAY, RESTORES, SEE, a_restore, an_outcome, confirmed, page_of
from tests.support.rows import VIEW, Status, a_client, an_execution

pytestmark = pytest.mark.django_db
Run = Callable[[], BackupExecution]


def test_a_form_that_is_sent_twice_queues_one_restore_and_leads_to_it(
    backed_up: Run, django_capture_on_commit_callbacks: Any
) -> None:
    execution, client = backed_up(), a_client(VIEW, MAY)
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(2):
            response = client.post(url(execution, "restore"), confirmed(execution))
    restore = RestoreExecution.objects.get()
    assert (response.status_code, response["Location"]) == (302, page_of(restore))
    assert OrmQ.objects.count() == 1
    assert page_at(client, page_of(restore)).messages() == ["success", "warning"]


def test_every_page_says_that_a_restart_is_due_to_those_who_may_see_restores() -> None:
    done, client = a_restore(), a_client(VIEW, SEE)
    InstanceState.objects.create(instance="shop", restart_required_since=timezone.now(), restart_required_by=done.pk)
    backups = "/admin/backups/backupexecution/"
    for address in (backups, RESTORES, f"{backups}{done.execution_id}/change/"):
        notice = page_at(client, address).notice("restart")
        assert (notice["class"], notice.links()) == ("warning", [page_of(done)])
    assert page_at(client, page_of(done)).notices().count("restart") == 1
    assert "restart" not in page_at(a_client(VIEW, name="eve"), backups).notices()


def test_a_restore_whose_data_is_proven_is_not_called_half_restored() -> None:
    client = a_client(VIEW, SEE)
    safety = an_execution(kind="safety")
    proven = a_restore(
        status=Status.INTERRUPTED, stage="finishing", outcome=an_outcome("restored"), safety_backup=safety
    )
    page = page_at(client, "/admin/")
    assert page.notice("restored-unfinished", "shop").links() == [page_of(proven)]
    assert "half-restored" not in page.notices() and "half restored" not in page.text
    (listed,) = check_half_restored(None, databases=["default"])
    assert "half restored" not in listed.msg and proven.pk in listed.msg


def test_every_page_says_that_an_instance_may_be_half_restored_until_that_is_undone() -> None:
    client = a_client(VIEW, SEE)
    a_restore(status=Status.FAILED, outcome=an_outcome("rolled back"), safety_backup=an_execution(kind="safety"))
    assert "half-restored" not in page_at(client, "/admin/").notices()
    broken = a_restore(
        status=Status.INTERRUPTED, outcome=an_outcome("restored"), safety_backup=an_execution(kind="safety")
    )
    for address in ("/admin/", RESTORES, page_of(broken)):
        notice = page_at(client, address).notice("half-restored", "shop")
        assert (notice["class"], notice.links()) == ("error", [page_of(broken)])
    assert "half-restored" not in page_at(a_client(VIEW, name="eve"), "/admin/").notices()
    a_restore(undo_of=broken)
    assert "half-restored" not in page_at(client, "/admin/").notices()
