"""The steps in which a tree is replaced in place, each of which can be reverted."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from backups.errors import ComponentError, Stranded, Untouched
from backups.lib.filesystem.exchange import exchange_hint
from destinations.lib.operator_error import sentences


@dataclass(frozen=True, slots=True)
class Step:
    """One change, and the one that reverts it; or a change that `do` divides into the steps that it returns."""

    do: Callable[[], "Iterable[Step] | None"]
    undo: Callable[[], None] = lambda: None


def carry_out(steps: Iterable[Step], live: Path) -> None:
    """Run all steps, or revert those that are done when one fails.

    Raises Untouched when everything is as before, and ComponentError when it is not.
    """
    done, waiting = list[Step](), [*steps][::-1]
    try:
        while waiting:
            step = waiting.pop()
            parts = step.do()
            if parts is None:
                done.append(step)
            else:
                waiting += [*parts][::-1]
    except BaseException as error:
        failure = _revert(done)
        if isinstance(error, ComponentError) and failure is not None:
            raise Stranded(sentences(error.message, f"The changes before it cannot be reverted: {failure}")) from error
        if not isinstance(error, OSError):
            # the step that failed is half done, or may be: but only that one
            raise
        message = f"{live} cannot be replaced in place: {error.strerror}."
        if failure is not None:
            raise Stranded(sentences(message, f"The changes cannot be reverted: {failure}")) from error
        raise Untouched(message, hint=exchange_hint(error.errno or 0)) from error


def _revert(done: list[Step]) -> str | None:
    """Revert all steps; return the reason of the first that cannot be."""
    reason = None
    for step in reversed(done):
        try:
            step.undo()
        except ComponentError as error:
            reason = reason or error.message
        except OSError as error:
            reason = reason or str(error.strerror)
    return reason
