"""Graceful termination of a run by a signal or by its time limit."""

from collections.abc import Iterator
from contextlib import contextmanager

from backups.errors import TimedOut
from destinations.lib import os_signals
from destinations.lib.os_signals import defer_signals

__all__ = ["defer_signals", "graceful_termination"]


@contextmanager
def graceful_termination(timeout: float = 0) -> Iterator[None]:
    """`destinations.lib.os_signals.graceful_termination`; after `timeout` seconds, 0 for never, TimedOut is raised."""

    def timed_out() -> TimedOut:
        return TimedOut(
            f"It ran longer than {timeout:.0f} seconds.", hint="Find out which stage was slow, or raise BACKUP_TIMEOUT."
        )

    with os_signals.graceful_termination(timeout, timed_out):
        yield
