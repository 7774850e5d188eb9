"""How much runs at once on this host: a run that a worker starts takes one of a fixed number of places."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from django.conf import settings

from backups.lib import locks
from backups.runs import workspace

LOOKING_SECONDS = 0.05


def _places(noun: str) -> list[Path]:
    """A restore has a place of its own, because nobody should wait behind backups on the worst day of the year."""
    folder = workspace.root() / "places"
    folder.mkdir(mode=0o700, exist_ok=True)
    count = settings.BACKUP_WORKERS if noun == "backup" else 1
    return [folder / f"{noun}-{number}" for number in range(count)]


@contextmanager
def place(noun: str) -> Iterator[bool]:
    """Hold a place for a run of this kind meanwhile; yields False when all are taken.

    Places are locks of the kernel: a worker that is killed gives its place back.
    """
    with ExitStack() as held:
        taken = _take_one(noun, held)
        if not taken:
            time.sleep(LOOKING_SECONDS)  # somebody who looks holds them for a moment too
            taken = _take_one(noun, held)
        yield taken


def _take_one(noun: str, held: ExitStack) -> bool:
    return any(held.enter_context(locks.locked(path)) for path in _places(noun))


def any_free(noun: str) -> bool:
    with ExitStack() as held:
        return _take_one(noun, held)


def all_free(noun: str) -> bool:
    """True when no run of this kind is at work here for a worker."""
    with ExitStack() as held:
        return all(held.enter_context(locks.locked(path)) for path in _places(noun))
