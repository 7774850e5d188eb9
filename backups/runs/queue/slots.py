"""How much runs at once on this host: a run that a worker starts takes one of a fixed number of slots."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from backups.lib import locks
from backups.runs import workspace
from backups.runs.registry import RunKind

LOOKING_SECONDS = 0.05


def _locks(kind: RunKind[Any]) -> list[Path]:
    # each kind has slots of its own: a restore must not wait behind backups
    folder = workspace.root() / "places"
    folder.mkdir(mode=0o700, exist_ok=True)
    return [folder / f"{kind.noun}-{number}" for number in range(kind.slots)]


@contextmanager
def slot(kind: RunKind[Any]) -> Iterator[bool]:
    """Hold a slot for a run of this kind meanwhile; yields False when all are taken.

    Slots are locks of the kernel: a worker that is killed gives its slot back.
    """
    with ExitStack() as held:
        taken = _take_one(kind, held)
        if not taken:
            time.sleep(LOOKING_SECONDS)  # a process that looks holds them for a moment too
            taken = _take_one(kind, held)
        yield taken


def _take_one(kind: RunKind[Any], held: ExitStack) -> bool:
    return any(held.enter_context(locks.locked(path)) for path in _locks(kind))


def all_free(kind: RunKind[Any]) -> bool:
    """True when no run of this kind is at work here for a worker."""
    with ExitStack() as held:
        return all(held.enter_context(locks.locked(path)) for path in _locks(kind))
