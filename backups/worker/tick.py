"""The tick: the housekeeping steps that a worker, or the command `tick`, runs once a minute for each queue."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import OperationalError

from backups.errors import BackupError
from backups.lib import audit, locks
from backups.notifications import rounds
from backups.runs import workspace
from backups.runs.queue.queues import release_dead
from backups.runs.recovery import heartbeats
from backups.runs.recovery.reap import reap, tidy
from backups.service.automation import drills, overdue, schedules, watch
from backups.service.copying import start as copying
from backups.service.keys import check
from backups.service.retention import daily
from backups.service.schedules import coverage, repair
from backups.worker.q2.enqueue import send_message
from backups.worker.q2.scheduler import Entry, is_migrated, keep
from backups.worker.tasks import dispatch_lost, enqueue, enqueue_all
from destinations.lib.database_errors import database_error
from destinations.lib.operator_error import OperatorError, sentences

TICK = "backups.worker.tick.tick"
START_UP = "backups.worker.tick.start_up"


def end_dead_runs(_queue: str) -> str:
    release_dead()
    ended = reap()
    return ", ".join(f"{run.noun} {run.pk} {run.status}" for run in ended)


def start_scheduled(queue: str) -> str:
    """Start the scheduled backups that are due; a schedule without a next run gets one.

    Before that, schedules of several instances cover what the instances file says now.
    """
    coverage.cover(queue)
    repair.repair_schedules(queue)
    started = schedules.start_due(queue)
    enqueue_all(started)
    return f"started {len(started)} scheduled backups" if started else ""


def watch_configurations(queue: str) -> str:
    """Sync the backups that services declare, and back up changed configurations."""
    started = watch.back_up_changes(queue)
    for backup in started:
        enqueue(backup)
    return f"started {len(started)} backups of changed configurations" if started else ""


def report_overdue(queue: str) -> str:
    """Log and signal each instance that has become overdue."""
    names = overdue.report_overdue(queue)
    return f"late: {', '.join(names)}" if names else ""


def drill_due(queue: str) -> str:
    """Start the drill that is due, unless another drill waits or runs."""
    run = drills.start_due(queue)
    if run is None:
        return ""
    enqueue(run)
    return f"started the {run}"


def copy_due(queue: str) -> str:
    """Start copies that are missing or damaged and due for another try."""
    started = copying.start_due(queue)
    for run in started:
        enqueue(run)
    return f"started {len(started)} copies" if started else ""


def dispatch_again(queue: str) -> str:
    # only for the queue of this tick: in a queue without a worker, messages would pile up
    count = dispatch_lost(queue)
    return f"sent the message again for {count} waiting runs" if count else ""


def repair_schedules(queue: str) -> str:
    return "repaired the schedule of the tick" if keep_tick(queue) else ""


def delete_old_heartbeats(_queue: str) -> str:
    count = heartbeats.delete_old()
    return f"deleted {count} old heartbeats" if count else ""


def check_keys(_queue: str) -> str:
    lost = check.check_due()
    return f"no key opens backups at {', '.join(destination.name for destination in lost)}" if lost else ""


def settle_uploads(queue: str) -> str:
    """Look at what ended runs may have left at destinations. It may take hours: the next ticks go on meanwhile."""
    # one at a time: each reads back archives of any size, and would keep a worker process from the runs
    with locks.locked(workspace.root() / f"settle-{queue}") as free:
        count = tidy() if free else 0
    return f"settled {count} uploads" if count else ""


def apply_retention(queue: str) -> str:
    """Run the daily pass of retention that is due. It may take minutes: the next ticks go on meanwhile."""
    with locks.locked(workspace.root() / f"retention-{queue}") as free:
        done = daily.run_due(queue) if free else []
    return f"applied retention at {done[0].name}" if done else ""


def notify(queue: str) -> str:
    """Send what notifications are due. Receivers may be slow: the next ticks go on meanwhile."""
    with locks.locked(workspace.root() / "notify") as free:
        return rounds.work(alive=queue == settings.BACKUP_QUEUE) if free else ""


# Each is called with the name of the queue, and returns what it did, or an empty string.
STEPS: list[Callable[[str], str]] = [
    end_dead_runs,
    start_scheduled,
    watch_configurations,
    report_overdue,
    drill_due,
    copy_due,
    dispatch_again,
    repair_schedules,
    delete_old_heartbeats,
    check_keys,
]


def tick(queue: str = "") -> str:
    """Run all STEPS, write the heartbeat of the scheduler, then do what may take long; return what was done.

    A step that fails does not prevent the others. Raises BackupError at the end, with the names of the failed steps.
    """
    queue = queue or settings.BACKUP_QUEUE
    done: list[str] = []
    failed: list[str] = []

    def note_problem(queue: str) -> str:
        # nobody is notified that nobody is notified: pages, /health and the independent watch say so
        heartbeats.note_problem(queue, sentences(*failed))
        return ""

    # a tick may take longer than the minute to the next one
    with locks.locked(workspace.root() / f"tick-{queue}") as free:
        if not free:
            return "another tick is still at work"
        done += [_run(step, queue, failed) for step in STEPS]
        heartbeats.beat_scheduler(queue, sentences(*failed))
    # the lock of the tick is free again
    done.append(_run(notify, queue, failed))
    done.append(_run(note_problem, queue, failed))
    done.append(_run(settle_uploads, queue, failed))
    done.append(_run(apply_retention, queue, failed))
    if failed:
        raise BackupError(sentences(f"Housekeeping failed: {sentences(*failed)}"), hint="Its log says more.")
    return "; ".join(filter(None, done))


def _run(step: Callable[[str], str], queue: str, failed: list[str]) -> str:
    """Run one step and return what it did; an error is logged, and its reason added to `failed`."""
    try:
        return step(queue)
    except OperationalError as error:
        # the database itself: a traceback of each step would fill the log each minute
        reason = database_error(error).text
        audit.log("housekeeping.failed", logging.ERROR, step=step.__name__, queue=queue, error=reason)
    # whatever it is: a step that fails each minute must not stop the schedules
    except Exception as error:
        audit.crashed("housekeeping.failed", error, step=step.__name__, queue=queue)
        reason = error.message if isinstance(error, OperatorError) else type(error).__name__
    failed.append(f"{step.__name__}: {reason}")
    return ""


def start_up(queue: str) -> str:
    """Sync the backups that services of `queue` declare, and start those declared for the start of a worker."""
    started = watch.start_up(queue)
    for backup in started:
        enqueue(backup)
    return f"started {len(started)} backups at the start of the worker" if started else ""


def enqueue_tick(queue: str) -> bool:
    """Send the message for a tick of `queue`, without waiting for the scheduler."""
    return send_message(queue, TICK, queue)


def enqueue_start_up(queue: str) -> bool:
    """Send the message for `start_up`: the supervisor itself does no work in its own process."""
    return send_message(queue, START_UP, queue)


def keep_tick(queue: str) -> bool:
    """Ensure that exactly one row of the scheduler calls the tick of `queue` each minute; True when it was repaired.

    Also repairs the row of an earlier release, whose task had another name.
    """
    entry = Entry(name=f"backupsite tick {queue}", queue=queue, task=TICK, cron="* * * * *", args=(queue,))
    return keep(entry, latest=timedelta(minutes=2))


def ensure_tick(using: str, **_: Any) -> None:
    """Write the row of the scheduler after `migrate`."""
    if is_migrated(using):
        keep_tick(settings.BACKUP_QUEUE)
