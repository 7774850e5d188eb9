"""What is looked after once a minute, in a worker or by the command `tick`."""

from collections.abc import Callable

from django.conf import settings

from backups.errors import BackupError
from backups.lib import audit, locks
from backups.runs import workspace
from backups.runs.queue.queues import release_dead
from backups.runs.recovery import heartbeats
from backups.runs.recovery.reap import reap
from backups.service.automation import drills as drill_regularly
from backups.service.automation import overdue as lateness
from backups.service.automation import schedules as schedule
from backups.service.automation import watch
from backups.service.keys import check as custody
from backups.service.schedules import repair as schedule_repair
from backups.worker.q2.enqueue import ring
from backups.worker.tasks import dispatch_forgotten, enqueue
from backups.worker.tick import TICK, keep_tick
from destinations.lib.operator_error import OperatorError, sentences

START_UP = "backups.worker.housekeeping.start_up"


def end_dead_runs(_queue: str) -> str:
    release_dead()
    ended = reap()
    return ", ".join(f"{run.noun} {run.pk} {run.status}" for run in ended)


def call_again(queue: str) -> str:
    """Only for the queue of this tick: where no worker answers, messages would pile up."""
    count = dispatch_forgotten(queue)
    return f"called a worker again for {count} waiting runs" if count else ""


def start_scheduled(queue: str) -> str:
    """Start the backups whose time has come; a schedule that lost its next run gets one again."""
    schedule_repair.repair(queue)
    started = schedule.fire_due(queue)
    for execution in started:
        enqueue(execution)
    return f"started {len(started)} scheduled backups" if started else ""


def watch_configurations(queue: str) -> str:
    """Sync what services declare and back up changes of their configuration."""
    started = watch.watch(queue)
    for execution in started:
        enqueue(execution)
    return f"started {len(started)} backups of changed configurations" if started else ""


def drill_due(queue: str) -> str:
    """Start the drill that is due, when there is one and no other waits or runs."""
    run = drill_regularly.start_due(queue)
    if run is None:
        return ""
    enqueue(run)
    return f"started the {run}"


def tell_late(queue: str) -> str:
    """Log and signal every instance whose newest good backup has become older than its schedules promise."""
    names = lateness.tell_late(queue)
    return f"late: {', '.join(names)}" if names else ""


def repair_schedules(queue: str) -> str:
    return "repaired the schedule of the tick" if keep_tick(queue) else ""


def forget_old_workers(_queue: str) -> str:
    count = heartbeats.forget_old()
    return f"forgot {count} workers of long ago" if count else ""


def check_keys(_queue: str) -> str:
    lost = custody.check_due()
    return f"no key opens backups at {', '.join(destination.name for destination in lost)}" if lost else ""


# Each is called with the name of the queue, and returns what it did, or nothing.
STEPS: list[Callable[[str], str]] = [
    end_dead_runs,
    start_scheduled,
    watch_configurations,
    tell_late,
    drill_due,
    call_again,
    repair_schedules,
    forget_old_workers,
    check_keys,
]


def tick(queue: str = "") -> str:
    """Take every step and write the heartbeat of the scheduler; return what was done.

    A step that fails keeps no other from being taken. Raises BackupError at the end that names those that failed.
    """
    queue = queue or settings.BACKUP_QUEUE
    with locks.locked(workspace.root() / f"tick-{queue}") as free:
        if not free:
            return "another tick is still at work"
        done, failed = _take_steps(queue)
        problem = sentences(*failed)
        heartbeats.beat(heartbeats.scheduler_name(queue), heartbeats.Kind.SCHEDULER, queue, problem=problem)
    if failed:
        raise BackupError(f"Housekeeping failed: {problem}", hint="Its log says more.")
    return "; ".join(done)


def ring_tick(queue: str) -> bool:
    """Let a worker take the steps now."""
    return ring(queue, TICK, queue)


def start_up(queue: str) -> str:
    """Sync what the services of `queue` declare, and start the backups that they want when a worker starts."""
    started = watch.start_up(queue)
    for execution in started:
        enqueue(execution)
    return f"started {len(started)} backups at the start of the worker" if started else ""


def ring_start_up(queue: str) -> bool:
    """Let a worker do that; the process that keeps the workers does no work itself."""
    return ring(queue, START_UP, queue)


def _take_steps(queue: str) -> tuple[list[str], list[str]]:
    done, failed = [], []
    for step in STEPS:
        try:
            done.append(step(queue))
        except Exception as error:
            audit.crashed("housekeeping.failed", error, step=step.__name__, queue=queue)
            reason = error.message if isinstance(error, OperatorError) else type(error).__name__
            failed.append(f"{step.__name__}: {reason}")
    return [text for text in done if text], failed
