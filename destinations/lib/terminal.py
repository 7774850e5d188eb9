"""Writing to stdout and stderr, which may fail: a closed terminal, a reader that ended, a full disk."""

import os
import sys
from typing import Any

from django.core.management.base import OutputWrapper

from destinations.lib.formats import printable_lines


def write_to_stderr(text: str) -> bool:
    """Write a line to standard error, and return whether that worked."""
    # not through the buffer of `sys.stderr`: Python would write it again at exit, and fail the process with that
    data = f"{text}\n".encode("utf-8", "backslashreplace")
    try:
        descriptor = sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        # standard error is closed, or was replaced by an object without a descriptor
        try:
            sys.stderr.write(f"{text}\n")
        except (AttributeError, OSError, ValueError):
            return False
        return True
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError:
        return False
    return True


def spell_out(stream: Any) -> None:
    """Let `stream` escape what its encoding does not have: a terminal or a job may know ASCII or Latin-1 only."""
    # a replacement such as a stream in memory has no encoding
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")


class Output(OutputWrapper):
    """The output of a command, without terminal codes but those of its own style.

    The first failed write is kept in `failure`, and later writes are dropped.
    """

    failure: OSError | None = None

    @classmethod
    def around(cls, wrapper: Any) -> "Output":
        """Return the same output, in the same style."""
        output = cls(wrapper._out)
        spell_out(wrapper._out)
        output.style_func = wrapper.style_func
        return output

    def write(self, msg: str = "", *args: Any, **options: Any) -> None:  # type: ignore[override]
        if self.failure is not None:
            return
        try:
            # before the style: names, comments and reasons come from outside, and may move the cursor or set the title
            super().write(printable_lines(msg), *args, **options)
            # a pipe or a file would fail at exit only, too late for a message
            self.flush()
        except OSError as error:
            self.failure = error
            self._discard_buffer()

    def _discard_buffer(self) -> None:
        """Send the buffer to /dev/null: Python would write it again at exit, and end with status 120."""
        try:
            descriptor = self.fileno()
        except (AttributeError, OSError, ValueError):
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
