"""Slots: a fixed number for each kind limits how many runs the workers of this host start at once."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from backups.lib import locks
from backups.runs import workspace
from backups.runs.registry import RunKind

LOCK_WAIT_SECONDS = 0.05


def _locks(kind: RunKind[Any]) -> list[Path]:
    # each kind has its own slots, so that a restore never waits for backups; the folder keeps the name that workers of
    # earlier releases use, because during an upgrade both run
    folder = workspace.root() / "places"
    folder.mkdir(mode=0o700, exist_ok=True)
    return [folder / f"{kind.noun}-{number}" for number in range(kind.slots)]


@contextmanager
def slot(kind: RunKind[Any]) -> Iterator[bool]:
    """Hold a slot for a run of this kind; yields False when all are taken.

    Slots are file locks: the kernel releases the slot of a worker that is killed.
    """
    with ExitStack() as held:
        taken = _take_one(kind, held)
        if not taken:
            time.sleep(LOCK_WAIT_SECONDS)  # `all_free` of another process holds them for a moment
            taken = _take_one(kind, held)
        yield taken


def _take_one(kind: RunKind[Any], held: ExitStack) -> bool:
    # `any` stops at the first free one, so that no more than one is held
    return any(held.enter_context(locks.locked(path)) for path in _locks(kind))


def all_free(kind: RunKind[Any]) -> bool:
    """True when no worker of this host holds a slot of this kind."""
    with ExitStack() as held:
        return all(held.enter_context(locks.locked(path)) for path in _locks(kind))
