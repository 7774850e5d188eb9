"""The tests of a destination are kept, with their steps, and shown on its page."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import reverse

from destinations.exceptions import DestinationUnavailable
from destinations.models import BackupDestination, DestinationTest
from destinations.models.destination_test import KEPT

pytestmark = pytest.mark.django_db
STEPS = ["write", "list", "read back", "delete", "free space"]


@pytest.fixture
def nas(backup_root: Path) -> BackupDestination:
    call_command("adddestination", "nas", "--type", "local")
    return BackupDestination.objects.get()


def test_the_test_of_a_new_destination_is_the_first_of_its_history(nas: BackupDestination) -> None:
    first = nas.tests.get()
    assert first.passed and [step["name"] for step in first.steps] == STEPS
    assert first.tested_by and first.seconds > 0


def test_a_failed_test_is_kept_with_the_steps_before_and_the_reason(nas: BackupDestination, backup_root: Path) -> None:
    backup_root.rename(backup_root.with_name("away"))
    with pytest.raises(CommandError):
        call_command("testdestination", "nas")
    failed = nas.tests.first()
    assert failed is not None and not failed.passed
    assert failed.steps == [] and str(backup_root) in failed.error and failed.hint


def test_the_page_lists_the_tests_and_the_button_adds_one(
    nas: BackupDestination, backup_root: Path, staff: Callable[..., Client]
) -> None:
    client = staff("view_backupdestination", "test_backupdestination")
    client.post(reverse("admin:destinations_backupdestination_test", args=[nas.pk]))
    backup_root.rename(backup_root.with_name("away"))
    client.post(reverse("admin:destinations_backupdestination_test", args=[nas.pk]))
    page = client.get(reverse("admin:destinations_backupdestination_change", args=[nas.pk])).content.decode()
    assert page.count('data-status="passed"') == 2 and page.count('data-status="failed"') == 1
    assert page.count('data-step="read back"') == 2
    assert nas.tests.count() == 3


def test_options_that_were_refused_are_no_test_of_the_stored_destination(
    nas: BackupDestination, backup_root: Path, staff: Callable[..., Client]
) -> None:
    client = staff("change_backupdestination", "view_backupdestination")
    (backup_root / "file").write_bytes(b"")
    url = reverse("admin:destinations_backupdestination_change", args=[nas.pk])
    answer = client.post(url, {"name": "nas", "enabled": "on", "option_path": "file"})
    assert answer.status_code == 200 and nas.tests.count() == 1
    client.post(url, {"name": "nas", "enabled": "on", "option_path": "other"})
    assert nas.tests.count() == 2


def test_only_the_latest_tests_are_kept(nas: BackupDestination) -> None:
    for _ in range(KEPT + 5):
        DestinationTest(destination=nas, error="It failed.").save()
    assert nas.tests.count() == KEPT and not nas.tests.filter(error="").exists()


def test_a_failing_step_is_raised(nas: BackupDestination, backup_root: Path) -> None:
    backup_root.rename(backup_root.with_name("away"))
    with pytest.raises(DestinationUnavailable):
        nas.test(user="op")
    assert nas.tests.count() == 2
