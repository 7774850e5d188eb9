"""Kinds of runs: backup, restore and drill are carried out by one template, and each brings its own steps.

What happens to a run, and where:

- reserve: a worker's task keeps the queued row for itself for a minute (`queue.queues`), then starts a process for it.
- reap: runs of the instance whose process is gone are ended first, so that the instance is free (`recovery.reap`).
- claim: queued becomes running, by one conditional UPDATE (`claim`).
- work: the steps of the kind; a Monitor writes heartbeat and progress, and stops them on a cancel (`progress`).
- complete or settle: the kind records the end, after its work or after an error (`finish` sets the status).
- after_end: what follows every final status, also that of a queued run which is cancelled (`finish`).
- recover: the reaper lets the kind end a run whose process is gone.

`execute` is the template. The kinds are registered in `apps.ready`, as Django does with checks: nothing in this package
imports a use case.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar, cast

from django.db.models import Q

from backups.models import Run
from backups.models.querysets import RunQuerySet
from backups.runs.progress import Monitor

AnyRun = TypeVar("AnyRun", bound=Run)


class RunKind(ABC, Generic[AnyRun]):
    """What one kind of run does differently from the others."""

    model: type[AnyRun]
    # rows that its steps need besides its own
    related: tuple[str, ...] = ()
    # how long it may take to end in good order once it is told to; then it is killed
    ending_seconds = 10.0
    # hint of a run that ended before it began
    again = "run it again"
    # The instance of a dead run is brought back where it lies, by whoever holds the lock of the workspace. Its row says
    # what became of the instance whatever ended it.
    rolls_back = False
    # fields of a run that did not complete
    cleared: Mapping[str, Any] = MappingProxyType({})
    # fields that are kept beside the workspace when the database cannot take the end
    kept: tuple[str, ...] = ("warnings",)

    def __init__(self) -> None:
        self.after_end: list[Callable[[AnyRun], None]] = []

    @property
    def noun(self) -> str:
        return self.model.noun

    @property
    def slots(self) -> int:
        """How many of them workers run at once on one host."""
        return 1

    def rows(self) -> "RunQuerySet[AnyRun]":
        return self.model.objects.select_related(*self.related)

    @abstractmethod
    def work(self, run: AnyRun, monitor: Monitor, directory: Path) -> Any:
        """Do what the claimed `run` is for, in its workspace `directory`; return what `complete` needs."""

    @abstractmethod
    def complete(self, run: AnyRun, made: Any) -> None:
        """Record that the work is done, unless `work` itself did."""

    @abstractmethod
    def settle(self, run: AnyRun, directory: Path, error: BaseException) -> None:
        """Take back what `error` left half done, and record the end. No signal interrupts it; it is called once."""

    @abstractmethod
    def recover(self, run: AnyRun, message: str) -> bool:
        """Clean up after the process of the running `run`, which is gone, and record the end; `message` begins it.

        False when another process was first.
        """

    def follow_up(self, run: AnyRun) -> None:
        """Do what comes after a run that raised nothing, when its workspace is gone."""

    def sweep(self, run: AnyRun) -> None:
        """Remove what the dead process of the interrupted `run` left outside of its workspace."""

    def discard(self, run: AnyRun) -> None:
        """Delete what belongs to a run that did not complete, in the transaction that ends it."""

    def record_late(self, run: AnyRun, facts: dict[str, Any]) -> None:
        """Do what belongs to a completed `run` whose end is recorded later; may change the `facts` of its row."""

    def startable(self, now: datetime) -> Q:
        """Match the queued runs that may still begin."""
        return Q()

    def expired(self, now: datetime) -> Q | None:
        """Match the queued runs that waited too long; None when that is never so."""
        return None

    def is_expired(self, run: AnyRun, now: datetime) -> bool:
        """Say the same of one queued run."""
        return False

    def expiry_message(self) -> str:
        return "it waited too long"

    def host_knows_better(self, run: AnyRun) -> bool:
        """True when only the host of `run` can clean up after it: other hosts wait longer before they end it."""
        return False


_kinds: dict[str, RunKind[Any]] = {}


def register(kind: RunKind[Any], *after_end: Callable[[Any], None]) -> None:
    """Make `kind` known, and let `after_end` be called with each run of it that has ended, in this order."""
    _kinds[kind.noun] = kind
    kind.after_end += [step for step in after_end if step not in kind.after_end]


def kinds() -> list[RunKind[Any]]:
    """Return all kinds, in the order in which they were registered."""
    return list(_kinds.values())


def kind_named(noun: str) -> RunKind[Any]:
    return _kinds[noun]


def kind_of(run: AnyRun) -> RunKind[AnyRun]:
    return cast("RunKind[AnyRun]", _kinds[run.noun])


def find_run(run_id: str) -> Run | None:
    """Return the run with that id, of whatever kind."""
    found = (kind.rows().filter(pk=run_id).first() for kind in kinds())
    return next((run for run in found if run is not None), None)
