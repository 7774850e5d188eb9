"""Kinds of runs: backup, restore and drill share the template `execute`, and each brings its own steps.

The states and steps of a run, and their modules:

- reserve: a worker's task reserves the queued row for a minute (`queue.queues`), then starts a process for it.
- reap: runs of the instance whose process is gone are ended first, so that the instance is free (`recovery.reap`).
- claim: queued becomes running, by one conditional UPDATE (`claim`).
- work: the steps of the kind; a Monitor writes heartbeat and progress, and raises on a cancel (`progress`).
- complete or settle: the kind records the end, after its work or after an error (`finish` sets the status).
- after_end: steps after every final status, also after that of a queued run which is cancelled (`finish`).
- recover: the reaper calls this step of the kind for a run whose process is gone.
- tidy: the tick calls this step of the kind for what takes long and no run has to wait for (`recovery.reap`).

The kinds are registered in `apps.ready`, by dotted paths: this package imports no use case, and a kind is imported when
a run of it has to be carried out, ended or recovered.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from django.db import transaction
from django.db.models import Q

from backups.lib import audit
from backups.models import Run
from backups.models.querysets import RunQuerySet
from destinations.lib.later import Later, LaterMapping

if TYPE_CHECKING:
    # which imports the components of instances: commands that run nothing need none
    from backups.runs.progress import Monitor

AnyRun = TypeVar("AnyRun", bound=Run)


class RunKind(ABC, Generic[AnyRun]):
    """The steps and limits of one kind of run."""

    model: type[AnyRun]
    # for select_related: rows that its steps need
    related: tuple[str, ...] = ()
    # between SIGTERM and SIGKILL
    ending_seconds = 10.0
    # hint of a run that ended before its claim
    retry_hint = "Run it again."
    # True: recovery rolls the instance back, on its host, with the lock of the workspace; and the row says what became
    # of the instance, whatever ended the run
    rolls_back = False
    # values of fields for a run that did not complete
    cleared: Mapping[str, Any] = MappingProxyType({})
    # fields that are saved with an end which cannot be written to the database
    saved_fields: tuple[str, ...] = ("warnings",)

    @property
    def noun(self) -> str:
        return self.model.noun

    @property
    def slots(self) -> int:
        """How many of them the workers of a host run at once."""
        return 1

    def rows(self) -> "RunQuerySet[AnyRun]":
        return self.model.objects.select_related(*self.related)

    @abstractmethod
    def work(self, run: AnyRun, monitor: "Monitor", directory: Path) -> Any:
        """Do the work of the claimed `run` in its workspace `directory`; return what `complete` needs."""

    @abstractmethod
    def complete(self, run: AnyRun, made: Any) -> None:
        """Record that the work is done, unless `work` itself did."""

    @abstractmethod
    def settle(self, run: AnyRun, directory: Path, error: BaseException) -> None:
        """Clean up or roll back after `error`, and record the end. Called once, with signals blocked."""

    def recover_queued(self, run: AnyRun) -> bool:
        """Record the end of the queued `run` of a dead process that had begun its work without a claim.

        False for a run that had not begun: all but imports.
        """
        return False

    def reads_back(self, run: AnyRun) -> bool:
        """True when `recover_queued` reads what was stored: no other run waits for that."""
        return False

    @abstractmethod
    def recover(self, run: AnyRun, message: str) -> bool:
        """Clean up after the dead process of the running `run`, and record the end; `message` begins its text.

        False when another process was first.
        """

    def follow_up(self, run: AnyRun) -> None:
        """Run after a successful run, when its workspace is removed."""

    def tidy(self) -> int:
        """Look, in no run's way, at what ended runs may have left elsewhere; return how many of them have a result."""
        return 0

    def discard(self, run: AnyRun) -> None:
        """Delete rows of a run that did not complete, in the transaction that records the end."""

    def record_late(self, run: AnyRun, facts: dict[str, Any]) -> None:
        """Make up for steps of a completed `run` whose end is recorded late; may change the `facts` for its row."""

    def startable(self, now: datetime) -> Q:
        """Match the queued runs that may still be claimed."""
        return Q()

    def expired(self, now: datetime) -> Q | None:
        """Match the queued runs that waited too long; None for a kind that never expires."""
        return None

    def is_expired(self, run: AnyRun, now: datetime) -> bool:
        """True when the queued `run` waited too long."""
        return False

    def expiry_message(self) -> str:
        return "It waited too long."

    def only_own_host_recovers(self, run: AnyRun) -> bool:
        """True when only the host of `run` can clean up after it; other hosts then wait longer before they reap it."""
        return False


Step = Callable[[Any], None]


@dataclass(slots=True)
class Steps:
    """What is called with each run of a kind."""

    after_end: list[Step] = field(default_factory=list)
    # they write rows in the transaction that records the claim, or the end
    with_claim: list[Step] = field(default_factory=list)
    with_end: list[Step] = field(default_factory=list)

    def add(
        self, *, after_end: Sequence[Step] = (), with_claim: Sequence[Step] = (), with_end: Sequence[Step] = ()
    ) -> None:
        """Add steps, in this order; `ready` of an app may run more than once."""
        for steps, added in ((self.after_end, after_end), (self.with_claim, with_claim), (self.with_end, with_end)):
            steps += [step for step in added if step not in steps]


_models: dict[str, type[Run]] = {}
_kinds: LaterMapping[RunKind[Any]] = LaterMapping()
_steps: dict[str, Steps] = {}


def register(model: type[Run], kind: RunKind[Any] | str) -> Steps:
    """Register the `kind` of the runs of `model`, or its dotted path; return the steps called with each of them."""
    _models[model.noun] = model
    _kinds[model.noun] = kind
    return _steps.setdefault(model.noun, Steps())


def steps_of(run: Run) -> Steps:
    return _steps[run.noun]


def record_beside(steps: list[Callable[[AnyRun], None]], run: AnyRun) -> None:
    """Call `steps` in the transaction of the caller; one that fails is undone and logged, and the rest is recorded."""
    for step in steps:
        try:
            with transaction.atomic():
                step(run)
        except Exception as error:
            audit.crashed("run.record-failed", error, **run.log_key, step=step.__name__)


def models() -> list[type[Run]]:
    """Return the models of all kinds in the order of their registration, without importing the kinds."""
    return list(_models.values())


def kinds() -> list[RunKind[Any]]:
    """Return all kinds in the order of their registration."""
    return list(_kinds.values())


def import_kinds() -> None:
    """Import all kinds, and the steps that are called with their runs."""
    kinds()
    for steps in _steps.values():
        for step in (*steps.after_end, *steps.with_claim, *steps.with_end):
            if isinstance(step, Later):
                step.load()


def kind_named(noun: str) -> RunKind[Any]:
    return _kinds[noun]


def kind_of(run: AnyRun | type[AnyRun]) -> RunKind[AnyRun]:
    """Return the kind of `run`, or of the runs of a model."""
    return cast("RunKind[AnyRun]", _kinds[run.noun])


def find_run(run_id: str) -> Run | None:
    """Return the run with that id, of any kind."""
    for model in models():
        if model.objects.filter(pk=run_id).exists():
            return kind_of(model).rows().filter(pk=run_id).first()
    return None
