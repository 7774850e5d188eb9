"""Pings in the form of healthchecks.io: `/start`, success and `/fail`, with the id of the run.

https://healthchecks.io/docs/http_api/
"""

from urllib.parse import urlencode, urlsplit, urlunsplit

from django import forms

from backups.errors import NotDelivered
from backups.notifications.channels.base import Channel
from backups.notifications.channels.http import address_of, ca_file_field, check_ca_file, check_url, post, url_field
from backups.notifications.message import Message, Progress
from backups.version import VERSION
from destinations.network.certificates import CA_FILE

SUFFIXES = {"start": "/start", "success": "", "alive": "", "fail": "/fail"}
# the service keeps the first 100 kB of a body
LONGEST_BODY = 10_000
NOT_TAKEN = ("not found", "rate limited")
ANY = "the receiver"


class PingChannel(Channel):
    type = "ping"
    label = "Ping"
    secret_options = frozenset({"url"})
    takes_messages = False

    @classmethod
    def fields(cls) -> dict[str, forms.Field]:
        return {
            "url": url_field(
                "Ping URL",
                "As the service shows it, without /start or /fail at its end: https://hc-ping.com/your-uuid. For the "
                "whole site it is pinged every minute while the scheduler works; for instances and schedules by their "
                "backups.",
            ),
            CA_FILE: ca_file_field(),
        }

    @classmethod
    def check_options(cls, options: dict[str, object]) -> dict[str, object]:
        check_ca_file(options)
        return options | {"url": check_url("url", options["url"], cls.type).rstrip("/")}

    def recipient(self) -> str:
        return address_of(str(self.options["url"]))

    def send(self, message: Message, progress: Progress) -> None:
        headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": f"backupsite/{VERSION}"}
        url = ping_url(str(self.options["url"]), message.signal or "success", message.run)
        body = message.text.encode()[:LONGEST_BODY]
        progress.answer, said = post(url, body, headers, ca_file=str(self.options[CA_FILE] or ""))
        # the service says so with status 200
        if reason := next((text for text in NOT_TAKEN if text in said.lower()), ""):
            raise NotDelivered(f"{self.recipient()} did not take the ping: {reason}.", "Check the ping URL.")
        progress.done.append(ANY)


def ping_url(url: str, signal: str, run: str) -> str:
    """Return the address of a signal; `run` is the id by which the service finds the start of the run that ends."""
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, urlencode({"rid": run}) if run else ""]))
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + SUFFIXES[signal], query=query))
