"""Writing to whoever started the process, who may be gone: a closed terminal, a reader that ended, a full disk."""

import os
import sys
from typing import Any

from django.core.management.base import OutputWrapper


def complain(text: str) -> bool:
    """Write a line to standard error; False where that cannot be written, which is no reason to end.

    Past the buffer of `sys.stderr`: what it could not write it would try again at exit, and fail the process with that.
    """
    data = f"{text}\n".encode("utf-8", "backslashreplace")
    try:
        descriptor = sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return _complain_to_object(text)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError:
        return False
    return True


def _complain_to_object(text: str) -> bool:
    """Standard error is closed, or was replaced by an object of Python."""
    try:
        sys.stderr.write(f"{text}\n")
    except (AttributeError, OSError, ValueError):
        return False
    return True


class Output(OutputWrapper):
    """What a command prints to. A failure to print ends nothing: `failure` keeps it for the end of the command."""

    failure: OSError | None = None

    @classmethod
    def around(cls, wrapper: Any) -> "Output":
        """Return the same output, in the same style."""
        output = cls(wrapper._out)
        output.style_func = wrapper.style_func
        return output

    def write(self, *args: Any, **options: Any) -> None:  # type: ignore[override]
        if self.failure is not None:
            return
        try:
            super().write(*args, **options)
            # a pipe or a file would fail at exit only, when nothing can be said any more
            self.flush()
        except OSError as error:
            self.failure = error
            self._give_up()

    def _give_up(self) -> None:
        """Let what stands in the buffer go nowhere: Python would try again at exit, and end with status 120."""
        try:
            descriptor = self.fileno()
        except (AttributeError, OSError, ValueError):
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
