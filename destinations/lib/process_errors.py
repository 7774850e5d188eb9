"""Errors of the process and its host that end a command, as one sentence: limits, memory, files out of reach."""

import errno
import os

from destinations.lib.operator_error import OperatorError, sentences

LIMITS = {
    errno.EMFILE: "Raise the number of open files that this process may have (ulimit -n, LimitNOFILE=).",
    errno.ENFILE: "The whole system has too many files open.",
    errno.ENOMEM: "Give the process more memory, or raise its limit (ulimit -v, MemoryMax=).",
    errno.EAGAIN: "Raise the number of processes that this user may have (ulimit -u, TasksMax=).",
    errno.ENOSPC: "Free space on that disk.",
}
THREADS = "Give the process more memory and threads (ulimit -v, ulimit -u, TasksMax=)."


def process_error(error: OSError | MemoryError | RuntimeError) -> OperatorError | None:
    """Return the error that an operator reads for `error`; None for a RuntimeError that is no limit of the process."""
    if isinstance(error, MemoryError):
        return OperatorError("There is no memory left for this process.", LIMITS[errno.ENOMEM])
    if isinstance(error, RuntimeError):
        return OperatorError("No thread can be started.", THREADS) if "start new thread" in str(error) else None
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes | os.PathLike) else ""
    return OperatorError(sentences(f"The command failed: {where}{reason}"), LIMITS.get(error.errno or 0, ""))
