"""The front page: its banner and its rows."""

from django.test import Client

from backups.models import Heartbeat
from tests.support.pages.elements import Element
from tests.support.pages.parsed import page_at

INDEX = "/admin/"


def banner(client: Client) -> tuple[str, str]:
    """Return how bad the worst is, and the line that says so."""
    found = page_at(client, INDEX).field("banner")
    return found.status, found.text


def row(client: Client, instance: str) -> Element:
    return page_at(client, INDEX).section("instances").row(instance)


def no_worker(client: Client) -> Client:
    Heartbeat.objects.all().delete()
    return client
