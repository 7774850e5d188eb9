"""What the present work belongs to, for structured log lines: the request of a page, and the run."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
RUN_ID: ContextVar[str] = ContextVar("run_id", default="")


@contextmanager
def logged_as(variable: ContextVar[str], value: str) -> Iterator[None]:
    """Add `value` to each line that is logged meanwhile. A thread has it only if it runs in a copy of the context."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
