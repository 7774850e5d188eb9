"""What a message says of one notice: data for programs, and lines for persons."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from backups.models import Delivery, Notice, NotificationChannel
from backups.notifications.events import EVENTS
from backups.notifications.hiding import without_paths
from backups.notifications.message import Message
from backups.notifications.pages import link_to
from destinations.lib.formats import counted, listed, rough_duration
from destinations.lib.operator_error import sentences

Item = dict[str, Any]
BEGAN, WORSE, REMAINS, ENDED, HAPPENED = "began", "worse", "remains", "ended", "happened"
LEVELS = [Notice.Level.ALARM.value, Notice.Level.WARNING.value, Notice.Level.INFORMATION.value]
HEADINGS = {BEGAN: "New", WORSE: "Worse", REMAINS: "Still so", ENDED: "Over", HAPPENED: "Happened"}
# of one kind in a message, in full; of the others the number
MOST_LINES = 60
# receivers refuse longer ones, or cut them
LONGEST_TEXT = 20_000
TEST_TEXT = "This is a test of the notifications of this site. Nothing is wrong."


def item(what: str, notice: Notice, channel: NotificationChannel) -> Item:
    """Return what `channel` may say of `notice`."""
    event = EVENTS.get(notice.event)
    made: Item = {
        "what": what,
        "notice": notice.pk,
        "event": notice.event,
        "label": event.label if event else notice.event,
        "level": notice.level,
        "instance": notice.instance,
        "subject": notice.subject,
        "text": notice.text,
        "hint": "" if what == ENDED else notice.hint,
        "since": notice.since.isoformat(),
        "until": notice.ended_at.isoformat() if what == ENDED and notice.ended_at else "",
        "ending": notice.ending if what == ENDED else "",
        "acknowledged_by": notice.acknowledged_by,
        "link": link_to(notice.page),
    }
    if channel.hide_paths:
        made |= {name: without_paths(str(made[name])) for name in ("subject", "text", "hint", "ending")}
    return made


def level_of(items: Iterable[Mapping[str, Any]]) -> str:
    """Return the most urgent level of what is not over; information when everything is."""
    open_ = {entry["level"] for entry in items if entry["what"] != ENDED}
    return next((level for level in LEVELS if level in open_), LEVELS[-1])


def subject_of(items: Sequence[Mapping[str, Any]]) -> str:
    if len(items) == 1:
        only = items[0]
        word = {ENDED: "All clear", REMAINS: "Reminder"}.get(only["what"], str(only["level"]).capitalize())
        about = only["instance"] or only["subject"] or "this site"
        return f"{word}: {only['label']}: {about}"
    counts = []
    for level in LEVELS:
        number = sum(entry["level"] == level and entry["what"] not in (ENDED, REMAINS) for entry in items)
        counts += [counted(number, level, "information" if level == LEVELS[-1] else "")] if number else []
    for what, noun in ((REMAINS, "reminder"), (ENDED, "all-clear")):
        if number := sum(entry["what"] == what for entry in items):
            counts.append(counted(number, noun))
    return listed(counts) or "Nothing new"


def text_of(items: Sequence[Mapping[str, Any]], zone: str, at: datetime) -> str:
    """Return the text about `items`: all of it for a single one, else a line or two for each."""
    if len(items) == 1:
        return _whole(items[0], zone, at)
    parts = []
    for what, heading in HEADINGS.items():
        chosen = sorted(
            (entry for entry in items if entry["what"] == what),
            key=lambda entry: (LEVELS.index(entry["level"]), entry["instance"]),
        )
        if not chosen:
            continue
        lines = [f"{heading} ({len(chosen)})"]
        lines += [_line(entry, zone) for entry in chosen[:MOST_LINES]]
        if rest := chosen[MOST_LINES:]:
            names = sorted({entry["instance"] for entry in rest if entry["instance"]})
            lines.append(f"- and {len(rest)} more{': ' if names else ''}{', '.join(names)}")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _line(entry: Mapping[str, Any], zone: str) -> str:
    about = entry["instance"] or entry["subject"] or "this site"
    if entry["what"] == ENDED:
        return f"- {about}: {entry['label']}: over since {_moment(entry['until'], zone)}. It was: {entry['text']}"
    return f"- {about}: {entry['label']}: {sentences(entry['text'], entry['hint'])}"


def _whole(entry: Mapping[str, Any], zone: str, at: datetime) -> str:
    lines = [f"{entry['label']}: {entry['instance'] or entry['subject'] or 'this site'}", ""]
    if entry["what"] == ENDED:
        lines += [sentences(entry["ending"]), f"It was: {entry['text']}", "", f"Since: {_moment(entry['since'], zone)}"]
        lines.append(f"Until: {_moment(entry['until'], zone)}")
    else:
        lines.append(entry["text"])
        if entry["hint"]:
            lines += ["", f"What to do: {entry['hint']}"]
        ago = rough_duration(at - datetime.fromisoformat(entry["since"]))
        lines += ["", f"Since: {_moment(entry['since'], zone)} ({ago} ago)"]
        if entry["what"] == REMAINS:
            lines.append("It is still so. Acknowledge the notice to end these reminders.")
    if entry["link"]:
        lines.append(f"More: {entry['link']}")
    return "\n".join(lines)


def _moment(text: str, zone: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %Z}" if text else "-"


def message_of(delivery: Delivery) -> Message:
    """Return what `delivery` says."""
    items, channel, at = delivery.items, delivery.channel, delivery.created_at
    if delivery.kind == Delivery.Kind.PING:
        text, signal, run = (str(items[0][name]) for name in ("text", "signal", "run"))
        return Message(delivery.pk, delivery.kind, at, LEVELS[-1], "", text, signal=signal, run=run)
    subject, parts = subject_of(items), [delivery.lead, text_of(items, channel.time_zone, at)]
    if delivery.kind == Delivery.Kind.TEST:
        subject = f"Test of the channel {channel.name}"
    elif delivery.kind == Delivery.Kind.TEST_ALARM:
        subject = f"Test alarm by {channel.name}: confirm that it reached you"
    elif delivery.kind == Delivery.Kind.DIGEST:
        subject = f"Digest: {subject}"
    site = link_to("")
    foot = f"\n\n-- \nbackupsite{f', {site}' if site else ''}"
    text = "\n\n".join(filter(None, parts))[:LONGEST_TEXT] + foot
    return Message(delivery.pk, delivery.kind, at, level_of(items), subject, text, tuple(items), link=site)
