"""How a step runs: under the watch, and again after a lost connection."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from destinations.backends.base import Progress, Step
from destinations.backends.remote.steps import RemoteSteps
from destinations.exceptions import ConnectionLost, DestinationError
from destinations.lib.formats import human_duration
from destinations.network.errors import from_network_error
from destinations.transfer.limits import Throttle, parse_limits
from destinations.transfer.watch import POLL_SECONDS, Aborted, Meter, watched

logger = logging.getLogger(__name__)

T = TypeVar("T")


class RemoteCalls(RemoteSteps):
    """Runs the steps of a type."""

    def __init__(self, config: Mapping[str, object], *, established: bool = False) -> None:
        super().__init__(config, established=established)
        self._throttle = Throttle(parse_limits(str(self.options["limit"])))
        # of the step that runs
        self._meter = Meter()
        self._is_known_to_hold_files = False

    def _call(self, action: str, work: Callable[[], T], progress: Progress | None = None) -> T:
        """Run a short step, again after a lost connection."""
        progress = progress or self.while_waiting
        return self._again(action, lambda: self._once(action, work, progress, Meter()), progress)

    def _step(self, name: str, action: str, work: Callable[[], str]) -> Step:
        """Return a step of `connection_steps`, which is done once."""
        return name, lambda: self._once(action, work, None, Meter())

    def _again(self, action: str, work: Callable[[], T], progress: Progress | None) -> T:
        for delay in self.retry_delays:
            try:
                return work()
            except ConnectionLost as error:
                wait = max(delay, error.retry_after)
                logger.warning("destination.retry action=%r wait=%.0f error=%r", action, wait, error.message)
                self.remote_close()
                until = time.monotonic() + wait
                while (rest := until - time.monotonic()) > 0:
                    if progress:
                        progress(0)
                    time.sleep(min(rest, POLL_SECONDS))
        try:
            return work()
        except ConnectionLost:
            self.remote_close()
            raise

    def _once(
        self,
        action: str,
        work: Callable[[], T],
        progress: Progress | None,
        meter: Meter,
        *,
        stalled_after: float | None = None,
    ) -> T:
        """Run one step under the watch, and raise what the operator is to read."""
        stalled_after = stalled_after or 4 * self.timeout
        self._meter = meter

        def stalled() -> ConnectionLost:
            return ConnectionLost(
                f"Cannot {action} at {self.where}: nothing has moved for {human_duration(stalled_after)}.",
                "Check the network and the server; the next try may succeed.",
            )

        def explained() -> T:
            # errors of `progress`, of the source and of the sink are those of others and pass unchanged
            try:
                return work()
            except DestinationError:
                raise
            except Exception as error:
                known = self.remote_error(error, action) or from_network_error(error, action, self.where)
                if known is None:
                    raise
                raise known from error

        try:
            return watched(
                explained,
                meter=meter,
                abort=self.remote_close,
                stalled_after=stalled_after,
                stalled=stalled,
                progress=progress,
            )
        except Aborted as error:
            # the connection of a listing under way, say, was dropped by the retry of another step
            raise ConnectionLost(
                f"Cannot {action} at {self.where}: the connection was closed.", "The next try may succeed."
            ) from error
