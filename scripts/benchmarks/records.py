"""What a long history leaves beside its backups: notices, messages, and runs that brought copies to their places."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from benchmarks.executions import Columns, new_id

# of so many backups
FOR_EACH_NOTICE, FOR_EACH_COPYING = 5, 20
EVENTS = {"failed": "warning", "late": "alarm", "destination": "warning", "restore-ended": "information"}
OPEN = 40


def notices(names: list[str], count: int, now: datetime) -> Iterator[Columns]:
    """Yield a year of notices, the newest first: the newest OPEN last on, every second one is of one moment."""
    for number in range(count):
        at = now - number * timedelta(days=365) / count
        event, level = list(EVENTS.items())[number % len(EVENTS)]
        momentary = event == "restore-ended"
        ended_at = None if number < OPEN and not momentary else at
        yield {
            "id": new_id(), "instance": names[number % len(names)], "code": f"{event}-{number}", "event": event,
            "level": level, "text": "the destination did not answer within 60 seconds", "momentary": momentary,
            "since": at, "opened_at": at, "seen_at": at, "announced_at": at,
            "ended_at": ended_at, "end_announced_at": ended_at,
        }  # fmt: skip


def deliveries(channels: list[Any], count: int, now: datetime) -> Iterator[Columns]:
    """Yield the messages of ninety days, the newest first."""
    for number in range(count):
        at = now - number * timedelta(days=90) / count
        state = "given up" if number % 50 == 0 else "sent"
        common = {"id": new_id(), "channel_id": channels[number % len(channels)].pk, "state": state}
        yield common | {"created_at": at, "next_try_at": at, "sent_at": at}


def copyings(copies: list[Any], now: datetime) -> Iterator[Columns]:
    """Yield a run for each of `copies`, that brought it there."""
    for number, copy in enumerate(copies):
        at = now - timedelta(hours=number)
        ended = {"status": "failed" if number % 20 == 0 else "completed", "stage": "done", "triggered_by": "alice"}
        times = {"created_at": at, "started_at": at, "completed_at": at + timedelta(seconds=4)}
        yield {"id": new_id(), "copy_id": copy.pk, "instance": copy.execution.instance, **ended, **times}
