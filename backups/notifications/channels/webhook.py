"""Webhooks: JSON that is signed as the Standard Webhooks specification says (https://www.standardwebhooks.com)."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from typing import Any

from django import forms

from backups.notifications.channels.base import Channel
from backups.notifications.channels.http import address_of, ca_file_field, check_ca_file, check_url, post, url_field
from backups.notifications.message import Message, Progress
from backups.version import VERSION
from destinations.exceptions import DestinationConfigError
from destinations.network.certificates import CA_FILE

PREFIX = "whsec_"
# bytes, by the specification
SHORTEST, LONGEST = 24, 64
ANY = "the receiver"


class WebhookChannel(Channel):
    type = "webhook"
    label = "Webhook"
    secret_options = frozenset({"url", "secret"})

    @classmethod
    def fields(cls) -> dict[str, forms.Field]:
        return {
            "url": url_field("URL", "Where the JSON is sent by POST. It may be one of the own network."),
            "secret": forms.CharField(
                label="Signing secret",
                max_length=200,
                help_text="The receiver checks the signature with the same one: whsec_ and 24 to 64 random bytes in "
                "Base64, such as 'openssl rand -base64 32' prints.",
            ),
            CA_FILE: ca_file_field(),
        }

    @classmethod
    def check_options(cls, options: dict[str, object]) -> dict[str, object]:
        check_ca_file(options)
        key_of(str(options["secret"]))
        return options | {"url": check_url("url", options["url"], cls.type)}

    def recipient(self) -> str:
        return address_of(str(self.options["url"]))

    def send(self, message: Message, progress: Progress) -> None:
        body = json.dumps(payload(message), separators=(",", ":")).encode()
        sent_at = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"backupsite/{VERSION}",
            "webhook-id": message.id,
            "webhook-timestamp": sent_at,
            "webhook-signature": signature(key_of(str(self.options["secret"])), message.id, sent_at, body),
        }
        ca_file = str(self.options[CA_FILE] or "")
        progress.answer, _ = post(str(self.options["url"]), body, headers, ca_file=ca_file)
        progress.done.append(ANY)


def payload(message: Message) -> dict[str, Any]:
    return {
        "type": f"backupsite.{message.kind}",
        "timestamp": message.at.isoformat(),
        "data": {
            "level": message.level,
            "subject": message.subject,
            "text": message.text,
            "link": message.link,
            "items": list(message.items),
        },
    }


def key_of(secret: str) -> bytes:
    """Return the bytes of a signing secret. Raises `DestinationConfigError`, which never repeats it."""
    try:
        key = base64.b64decode(secret.strip().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not SHORTEST <= len(key) <= LONGEST:
        raise DestinationConfigError(
            "The option 'secret' of a webhook is no signing secret.",
            f"It is {SHORTEST} to {LONGEST} random bytes in Base64, with or without {PREFIX} before them: "
            "'openssl rand -base64 32' prints one.",
            "secret",
        )
    return key


def signature(key: bytes, id: str, timestamp: str, body: bytes) -> str:
    """Return the value of the header webhook-signature: HMAC-SHA256 of id, timestamp and body."""
    signed = b".".join((id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
