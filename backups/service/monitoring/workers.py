"""Health of the workers and schedulers of each queue, by their heartbeats: for pages, checks and commands."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from backups.models import Heartbeat
from backups.runs.queue.queues import queue_of, queues
from backups.runs.recovery.heartbeats import Kind, is_fresh, key_fingerprint, scheduler_name
from backups.runs.registry import models
from destinations.lib.formats import rough_duration
from destinations.lib.operator_error import sentences

SCHEDULER_SILENCE = timedelta(minutes=5)
LOG_HINT = "Let the user that runs it write there, or free space; until then its log goes to standard error."
KEY_HINT = (
    "It discards the messages that are sent from here, so runs start late. Give every host the same key: "
    "docs/workers.md."
)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a queue, and what to do."""

    queue: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class WorkerState:
    """`alive` are the workers with a recent heartbeat, `problems` what keeps queued runs from being started."""

    alive: tuple[Heartbeat, ...]
    problems: tuple[Problem, ...]


def worker_state() -> WorkerState:
    """Return the live workers, and a problem for each queue with instances or active runs but no healthy worker."""
    now = timezone.now()
    rows = list(Heartbeat.objects.order_by("-beat_at"))
    alive = tuple(row for row in rows if row.kind == Kind.WORKER and is_fresh(row, now))
    # an active run may be of an instance that was removed, or moved to another queue
    active: set[str] = set()
    for model in models():
        queued, running = (
            runs.order_by().values_list("instance", flat=True)
            for runs in (model.objects.queued(), model.objects.running())
        )
        # not by one condition, and in no order: SQLite would read an index of all runs to find these few
        active.update(map(queue_of, queued.union(running)))
    needed = sorted({*queues(), *active})
    problems = [problem for queue in needed if (problem := _problem_of(queue, rows, now)) is not None]
    return WorkerState(alive, tuple(problems))


def _problem_of(queue: str, rows: list[Heartbeat], now: datetime) -> Problem | None:
    workers = [row for row in rows if row.kind == Kind.WORKER and row.queue == queue]
    if not any(is_fresh(row, now) for row in workers):
        command = "manage.py worker" + ("" if queue == settings.BACKUP_QUEUE else f" --queue {queue}")
        where = f"on {workers[0].host}" if workers else "on the host that holds the files"
        return Problem(queue, _silence(queue, workers, now), f"Start one {where}: {command}.")
    if other := next((row for row in workers if is_fresh(row, now) and _has_other_key(row)), None):
        return Problem(
            queue, f"The worker{_of(queue)} on {other.host} has another SECRET_KEY than this process.", KEY_HINT
        )
    scheduler = next((row for row in rows if row.name == scheduler_name(queue)), None)
    # a worker that has just started may not have called the scheduler yet
    began = max(row.started_at for row in workers if is_fresh(row, now))
    quiet = now - max(began, scheduler.beat_at if scheduler else began)
    if quiet > SCHEDULER_SILENCE:
        message = f"The scheduler{_of(queue)} has not run for {rough_duration(quiet)}."
        return Problem(queue, message, "Restart the worker; its log says why.")
    if scheduler and scheduler.problem:
        return Problem(queue, sentences(f"Housekeeping{_of(queue)} fails: {scheduler.problem}"), "Its log says more.")
    if logless := next((row for row in workers if is_fresh(row, now) and row.problem), None):
        return Problem(queue, sentences(f"The worker{_of(queue)} on {logless.host}: {logless.problem}"), LOG_HINT)
    return None


def _has_other_key(row: Heartbeat) -> bool:
    # one of an earlier release has no fingerprint
    return row.key_fingerprint not in ("", key_fingerprint())


def _silence(queue: str, workers: list[Heartbeat], now: datetime) -> str:
    if not workers:
        return f"No worker{_of(queue)} has ever answered."
    last = workers[0]
    if last.stopped_at is not None:
        return f"The worker{_of(queue)} on {last.host} was stopped {rough_duration(now - last.stopped_at)} ago."
    if last.beat_at > now:
        ahead = rough_duration(last.beat_at - now)
        return f"The worker{_of(queue)} on {last.host} answered {ahead} in the future: a clock is wrong."
    return f"No worker{_of(queue)} has answered for {rough_duration(now - last.beat_at)}."


def _of(queue: str) -> str:
    return "" if queue == settings.BACKUP_QUEUE else f" of queue {queue}"
