"""A message as a channel sends it: what is said, in words and as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from backups.models import Notice

Level = Notice.Level


@dataclass(frozen=True, slots=True)
class Message:
    """`id` stays the same in each try, so that a receiver knows one that it got twice.

    `kind` is that of the delivery; `signal` says what a ping is about: start, success, fail or alive.
    """

    id: str
    kind: str
    at: datetime
    level: str
    subject: str
    text: str
    items: tuple[Mapping[str, Any], ...] = ()
    signal: str = ""
    run: str = ""
    link: str = ""


@dataclass(slots=True)
class Progress:
    """The recipients that have the message already; `answer` is what the last one said."""

    done: list[str] = field(default_factory=list)
    answer: str = ""
