"""The event loop of a connection."""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any


class Loop(asyncio.SelectorEventLoop):
    """Resolves names in threads that the end of a process does not wait for, as it does for those of an executor.

    A name server that does not answer would hold that up for as long as the resolver is patient.
    """

    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        answer: asyncio.Future[Any] = self.create_future()

        def settle(set_outcome: Callable[[Any], None], outcome: Any) -> None:
            # it was cancelled where nobody waits any more
            if not answer.done():
                set_outcome(outcome)

        def resolve() -> None:
            try:
                found, set_outcome = socket.getaddrinfo(host, port, family, type, proto, flags), answer.set_result
            except Exception as error:
                found, set_outcome = error, answer.set_exception  # type: ignore[assignment]
            # the loop was closed meanwhile
            with suppress(RuntimeError):
                self.call_soon_threadsafe(settle, set_outcome, found)

        threading.Thread(target=resolve, name=f"resolve {host}", daemon=True).start()
        return await answer
