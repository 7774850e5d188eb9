"""Messages are sent, and tried again with growing pauses for a day. No run waits for it: only the tick calls it."""

import logging
from datetime import datetime, timedelta
from functools import partial

from django.db.models import Case, F, IntegerField, Q, Value, When
from django.utils import timezone

from backups.errors import NotDelivered
from backups.lib import audit
from backups.models import Delivery, NotificationChannel
from backups.notifications.channels import open_channel
from backups.notifications.health import channel_fails, channel_works, pause_after
from backups.notifications.items import TEST_TEXT, message_of
from backups.notifications.message import Progress
from backups.service.archives.due import is_due
from destinations.lib.operator_error import OperatorError

State, Kind = Delivery.State, Delivery.Kind
GIVEN_UP_AFTER = timedelta(days=1)
# longer than one message to all its recipients takes: a process that was killed meanwhile has it sent again then
CLAIM = timedelta(minutes=30)
# quiet hours are the longest, on a day that summer time makes longer
LONGEST_WAIT = timedelta(hours=26)
# one that is further away was written while a clock was ahead
_is_due = partial(is_due, furthest=LONGEST_WAIT)
# of one call, after which the next tick goes on
LIMIT = timedelta(minutes=5)
KEPT, PINGS_KEPT = timedelta(days=90), timedelta(days=7)


def deliver(now: datetime | None = None) -> int:
    """Send the messages that are due; return how many arrived.

    When one fails, the others of its channel wait too. Those that were tried least come first, so that one which its
    receiver never takes keeps no other from it; pings come in their order, because a start belongs before its end.
    """
    now = now or timezone.now()
    began, sent, failing = timezone.now(), 0, set[str]()
    ready = Q(channel__retry_at=None) | _is_due("channel__retry_at", now)
    due = Delivery.objects.filter(ready, _is_due("next_try_at", now), state=State.WAITING, channel__enabled=True)
    tried = Case(When(kind=Kind.PING, then=Value(0)), default=F("attempts"), output_field=IntegerField())
    for pk, channel_id in list(due.order_by(tried, "created_at", "pk").values_list("pk", "channel_id")):
        if timezone.now() - began > LIMIT:
            break
        if channel_id in failing or not _claim(pk, now):
            continue
        delivery = Delivery.objects.select_related("channel").get(pk=pk)
        if attempt(delivery, now):
            sent += 1
        else:
            failing.add(channel_id)
    return sent


def _claim(pk: str, now: datetime) -> bool:
    rows = Delivery.objects.filter(_is_due("next_try_at", now), pk=pk, state=State.WAITING)
    free = rows.filter(Q(claimed_until=None) | _is_due("claimed_until", now))
    return bool(free.update(claimed_until=now + CLAIM))


def attempt(delivery: Delivery, now: datetime) -> bool:
    """Try to send a claimed message, and record what became of it; True when it arrived."""
    channel, progress = delivery.channel, Progress(list(delivery.done))
    failure: OperatorError | None = None
    try:
        open_channel(channel).send(message_of(delivery), progress)
    except OperatorError as error:
        failure = error
    # of a library: the others must be sent all the same
    except Exception as error:
        audit.crashed("notification.crashed", error, channel=channel.name, delivery=delivery.pk)
        failure = NotDelivered(f"Unexpected error {type(error).__name__}, see the log.", hint="Report it.")
    delivery.done, delivery.attempts, delivery.claimed_until = progress.done, delivery.attempts + 1, None
    if failure is None:
        delivery.state, delivery.sent_at, delivery.answer = State.SENT, now, progress.answer
        delivery.error = delivery.error_hint = ""
        channel_works(channel, now)
    else:
        delivery.error, delivery.error_hint = failure.message, failure.hint
        _try_later(delivery, now)
        channel_fails(channel, failure, now)
    delivery.save()
    audit.log(
        "notification.sent" if failure is None else "notification.failed",
        logging.INFO if failure is None else logging.WARNING,
        channel=channel.name,
        kind=delivery.kind,
        delivery=delivery.pk,
        attempts=delivery.attempts,
        error=delivery.error,
    )
    return failure is None


def _try_later(delivery: Delivery, now: datetime) -> None:
    """Set when `delivery` is tried again; give up those of its channel that are too old."""
    others = Delivery.objects.filter(channel=delivery.channel_id, state=State.WAITING).exclude(pk=delivery.pk)
    too_old = now - GIVEN_UP_AFTER
    if delivery.kind == Kind.TEST or delivery.created_at <= too_old:
        delivery.state = State.GIVEN_UP
    elif delivery.kind != Kind.PING:
        # a ping waits for the channel alone
        delivery.next_try_at = now + pause_after(delivery.attempts)
    if delivery.kind != Kind.TEST:
        given_up = others.filter(created_at__lte=too_old, claimed_until=None).update(
            state=State.GIVEN_UP, error=delivery.error, error_hint=delivery.error_hint
        )
        if given_up or delivery.state == State.GIVEN_UP:
            audit.log("notification.given-up", logging.ERROR, channel=delivery.channel.name, others=given_up)


def send_test(channel: NotificationChannel, *, by: audit.Actor) -> Delivery:
    """Send a test by `channel` now, and return the record of it: it arrived, or says why not."""
    now = timezone.now()
    delivery = Delivery.objects.create(
        channel=channel, kind=Kind.TEST, lead=TEST_TEXT, created_at=now, next_try_at=now, claimed_until=now + CLAIM
    )
    attempt(delivery, now)
    audit.log("notification.tested", channel=channel.name, by=audit.name_of(by), result=delivery.state)
    return delivery


def delete_old(now: datetime) -> int:
    """Give up what waits for a disabled channel, and delete what was sent or given up long ago, some at a time."""
    off = Delivery.objects.filter(state=State.WAITING, channel__enabled=False, created_at__lte=now - GIVEN_UP_AFTER)
    off.update(state=State.GIVEN_UP, error="The channel is disabled.")
    ended = Delivery.objects.exclude(state=State.WAITING)
    old = ended.filter(created_at__lt=now - KEPT) | ended.filter(kind=Kind.PING, created_at__lt=now - PINGS_KEPT)
    return Delivery.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:1000])).delete()[0]
