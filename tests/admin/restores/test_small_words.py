"""Small words of pages: rows of what has none, and help texts that are sentences."""

import pytest
from django.contrib import admin
from django.test import Client

from destinations.models import BackupDestination
from tests.support.pages.parsed import page_at
from tests.support.pages.restore_pages import a_restore, page_of

pytestmark = pytest.mark.django_db


def test_a_folder_of_files_has_no_number_of_rows(admin_client: Client) -> None:
    outcome = {
        "uploads": {"state": "restored", "component": "uploads", "path": "/srv/uploads", "rows": None, "bytes": 9}
    }
    cell = page_at(admin_client, page_of(a_restore(outcome=outcome))).section("components").field("rows")
    assert cell.value == ""
    assert "0" not in cell.text


def test_help_texts_of_forms_and_searches_are_sentences() -> None:
    searches = [getattr(one, "search_help_text", None) for one in admin.site._registry.values()]
    fields = [field.help_text for field in BackupDestination._meta.fields if field.editable]
    texts = [str(text) for text in (*searches, *fields) if text]
    assert len(texts) > 10
    assert [text for text in texts if not (text[0].isupper() and text.endswith("."))] == []
