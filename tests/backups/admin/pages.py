"""Looking at pages as people do."""

import html
import re
from typing import Any

from django.test import Client
from django.urls import reverse

from backups.models import BackupExecution

LIST = "/admin/backups/backupexecution/"
START = f"{LIST}start/"


def url(execution: BackupExecution, action: str = "change") -> str:
    return reverse(f"admin:backups_backupexecution_{action}", args=[execution.pk])


def raw(client: Client, address: str, data: dict[str, Any] | None = None) -> str:
    """Return the HTML behind `address`, after redirects, or fail."""
    response = client.get(address, follow=True) if data is None else client.post(address, data, follow=True)
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def text(client: Client, address: str, data: dict[str, Any] | None = None) -> str:
    """Return what a person reads there: no tags, no two spaces."""
    body = raw(client, address, data).partition("<body")[2].partition(">")[2]
    words = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())
    return re.sub(r" (?=[,.;])", "", words)


def buttons(page: str) -> set[str]:
    """Return the labels of what looks like a button of ours."""
    return {html.unescape(label) for label in re.findall(r'class="bs-button(?: [^"]*)?"[^>]*>([^<]+)<', page)}
