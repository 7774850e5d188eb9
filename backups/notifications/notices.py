"""One notice for each cause: it opens when the cause begins, and ends with it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from backups.errors import BackupError
from backups.lib import audit
from backups.models import Notice
from backups.models.notice import MOMENTARY, OPEN
from backups.notifications.events import EVENTS
from destinations.lib.formats import printable
from destinations.lib.operator_error import LONGEST
from destinations.lib.redaction import redact_cut

Key = tuple[str, str, str]
NO_LONGER = "It is no longer so."
# ended notices are kept so long, and momentary ones
KEPT = timedelta(days=365)
SAID = ("level", "event", "text", "hint")
URGENCY = (Notice.Level.INFORMATION, Notice.Level.WARNING, Notice.Level.ALARM)


@dataclass(frozen=True, slots=True)
class Cause:
    """What is wrong now, or with `notices.happened` what happened. Instance, code and subject identify it.

    `page` is the address of the page about it, below that of the site.
    """

    event: str
    text: str
    hint: str = ""
    instance: str = ""
    code: str = ""
    subject: str = ""
    level: Notice.Level | None = None
    since: datetime | None = None
    page: str = ""
    schedule: str = ""

    @property
    def key(self) -> Key:
        return self.instance, self.code or self.event, self.subject[:255]

    def notice(self, now: datetime, *, momentary: bool = False) -> Notice:
        """Return a new row for it. Its texts hold no secret, whoever wrote them."""
        instance, code, subject = self.key
        ended = now if momentary else None
        return Notice(
            instance=instance,
            code=code,
            subject=subject,
            event=self.event,
            level=self.level or EVENTS[self.event].usual,
            text=clean(self.text),
            hint=clean(self.hint),
            page=self.page,
            momentary=momentary,
            schedule=self.schedule,
            since=self.since or now,
            opened_at=now,
            seen_at=now,
            ended_at=ended,
            end_announced_at=ended,
        )


def happened(cause: Cause) -> None:
    """Insert a notice of something that happened at one moment, in the transaction of the caller."""
    # an error leaves that transaction as it was
    with transaction.atomic():
        cause.notice(timezone.now(), momentary=True).save(force_insert=True)


def began(cause: Cause) -> None:
    """Insert a notice of a cause that begins, in the transaction of the caller, unless one is open.

    The next look at all causes ends it when it is over.
    """
    # a concurrent look may insert the same
    with transaction.atomic():
        Notice.objects.bulk_create([cause.notice(timezone.now())], ignore_conflicts=True)


def observe(causes: Iterable[Cause], *, ending: Callable[[Notice], str], now: datetime) -> int:
    """Open notices for the `causes` that have none, and end those open ones whose cause is over.

    `ending` says how an open notice without a cause ended; "" leaves it open. Return how many opened or ended.
    """
    # in no order: SQLite would walk the whole index of it
    open_ = Notice.objects.filter(OPEN, ~MOMENTARY).order_by()
    still = {(notice.instance, notice.code, notice.subject): notice for notice in open_}
    new: dict[Key, Notice] = {}
    seen, changes = [], 0
    for cause in causes:
        notice = still.pop(cause.key, None)
        if notice is None:
            new.setdefault(cause.key, cause.notice(now))
            continue
        seen.append(notice.pk)
        fresh = cause.notice(now)
        if any(getattr(notice, field) != getattr(fresh, field) for field in SAID):
            # a person, or another host, may have changed the row since it was read: only what differs is written
            said = {field: getattr(fresh, field) for field in SAID}
            if URGENCY.index(Notice.Level(fresh.level)) > URGENCY.index(Notice.Level(notice.level)):
                # whoever acknowledged it knew less
                said |= {"announced_at": None, "acknowledged_at": None, "acknowledged_by": ""}
                changes += 1
            Notice.objects.filter(pk=notice.pk, level=notice.level).update(**said)
    Notice.objects.bulk_create(new.values(), ignore_conflicts=True)
    Notice.objects.filter(pk__in=seen).update(seen_at=now)
    over: dict[str, list[str]] = {}
    for notice in still.values():
        if words := ending(notice):
            over.setdefault(clean(words), []).append(notice.pk)
    for words, ids in over.items():
        changes += Notice.objects.filter(OPEN, pk__in=ids).update(ended_at=now, ending=words)
    return len(new) + changes


def acknowledge(notice: Notice, *, by: audit.Actor) -> None:
    """End the reminders of an open notice; its end is still announced. Raises BackupError."""
    now, name = timezone.now(), audit.name_of(by)
    with transaction.atomic():
        open_ = Notice.objects.filter(OPEN, ~MOMENTARY, pk=notice.pk, acknowledged_at=None)
        if not open_.update(acknowledged_at=now, acknowledged_by=name):
            raise BackupError(
                "This notice is acknowledged already, or has ended.", hint="Load the list again: nothing was changed."
            )
        audit.note(by, notice, "Acknowledged.")
    audit.log("notice.acknowledged", event=notice.event, instance=notice.instance, code=notice.code, by=name)


def delete_old(now: datetime) -> int:
    """Delete notices that ended long ago."""
    old = Notice.objects.filter(opened_at__lt=now - KEPT, ended_at__isnull=False).values("pk")[:1000]
    return Notice.objects.filter(pk__in=list(old.values_list("pk", flat=True))).delete()[0]


def clean(text: str) -> str:
    return printable(redact_cut(text, first=LONGEST))
