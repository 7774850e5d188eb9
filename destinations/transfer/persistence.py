"""Tries of one part of a transfer: an upload of days has more faults than the whole of it has tries."""

import time
from collections.abc import Callable
from typing import TypeVar

from destinations.exceptions import ConnectionLost, DestinationError, VerificationFailed
from destinations.transfer.watch import POLL_SECONDS

T = TypeVar("T")


def persistently(
    once: Callable[[], T],
    *,
    delays: tuple[float, ...],
    explain: Callable[[Exception], DestinationError | None],
    checkpoint: Callable[[], None],
) -> T:
    """Return what `once` returns, called again after each of `delays` seconds while what it raises may pass.

    That is `ConnectionLost` and `VerificationFailed`, as `explain` reads the error. `checkpoint` is called while it
    waits.
    """
    for delay in delays:
        try:
            return once()
        except Exception as error:
            known = error if isinstance(error, DestinationError) else explain(error)
            if not isinstance(known, ConnectionLost | VerificationFailed):
                raise
            until = time.monotonic() + max(delay, getattr(known, "retry_after", 0.0))
        while (rest := until - time.monotonic()) > 0:
            checkpoint()
            time.sleep(min(rest, POLL_SECONDS))
    return once()
