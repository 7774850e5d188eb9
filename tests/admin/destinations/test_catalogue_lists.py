"""Long lists on the page of the catalogue: each says where it stops."""

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from tests.support.pages.parsed import page_at
from tests.support.rows import a_destination, an_execution


@pytest.mark.django_db
def test_a_list_of_archives_of_another_size_says_that_it_was_cut(admin: Client, settings: Settings) -> None:
    destination = a_destination()
    for _ in range(201):
        archive = settings.BACKUP_ROOT / "nas" / an_execution(destination=destination).backup_path
        archive.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        archive.write_bytes(b"short")
    page = page_at(admin, reverse("admin:destinations_backupdestination_catalogue", args=[destination.pk]))
    section = page.section("changed")
    assert len(section.rows()) == 200
    assert section.field("listed").value == "200"
