"""The pages of destinations."""

import re
from typing import Any

from django.test import Client
from django.urls import reverse

from destinations.models import BackupDestination
from tests.support.pages.parsed import Page, page_at


def page(destination: BackupDestination, verb: str) -> str:
    return reverse(f"admin:destinations_backupdestination_{verb}", args=[destination.pk])


def shown(client: Client, url: str, data: dict[str, Any] | None = None) -> Page:
    """Return the page behind `url`, after redirects; nothing of it may be inline."""
    found = page_at(client, url, data)
    assert "<style" not in found.html and not re.search(r"\son\w+=|style=", found.html)
    return found
