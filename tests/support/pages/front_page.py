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


def good_of(row: Element) -> str:
    """Return the id of the newest good backup in a row of the front page; empty where it has none."""
    links = [link for link in row.field("last_good_backup").all("a") if link.all("time")]
    return links[0]["href"].split("/")[-3] if links else ""


def no_worker(client: Client) -> Client:
    Heartbeat.objects.all().delete()
    return client
