"""What a destination holds, on its page."""

import pytest
from django.urls import reverse

from destinations.models import BackupDestination
from tests.support.archives.stored import daily
from tests.support.rows import a_client

pytestmark = pytest.mark.django_db


def test_the_page_of_a_destination_says_what_it_holds_by_instance(destination: BackupDestination) -> None:
    daily(destination, 2, "app")
    daily(destination, 1, "shop")
    url = reverse("admin:destinations_backupdestination_change", args=[destination.pk])
    page = a_client("view_backupdestination", "view_backupexecution").get(url).content.decode()
    assert 'data-field="archives" data-value="3"' in page
    assert 'data-row="app"' in page and 'data-row="shop"' in page
    without = a_client("view_backupdestination", name="eve").get(url).content.decode()
    assert 'data-section="held"' not in without
