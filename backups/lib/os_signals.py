"""Ending a run in good order when its process is told to end, or when its time is up."""

from collections.abc import Iterator
from contextlib import contextmanager

from backups.errors import TimedOut
from destinations.lib import os_signals
from destinations.lib.os_signals import undisturbed

__all__ = ["ends_in_order", "undisturbed"]


@contextmanager
def ends_in_order(timeout: float = 0) -> Iterator[None]:
    """`destinations.lib.os_signals.ends_in_order`; after `timeout` seconds, 0 for never, TimedOut is raised."""

    def timed_out() -> TimedOut:
        return TimedOut(
            f"It ran longer than {timeout:.0f} seconds.", hint="Find out what was slow, or raise BACKUP_TIMEOUT."
        )

    with os_signals.ends_in_order(timeout, timed_out):
        yield
