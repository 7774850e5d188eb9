"""Hooks: programs of the operator that run before and after a backup or a restore, without a shell."""

import logging
import os
import signal
import subprocess
import tempfile
import time
from typing import BinaryIO, cast

from django.utils import timezone

from backups.errors import BackupError
from backups.instances import Instance
from backups.lib import audit
from backups.models import Run
from backups.models.columns import HookNote
from backups.runs import workspace
from destinations.lib.disks import free_bytes
from destinations.lib.redaction import MARGIN, redact_cut
from destinations.lib.secret_names import is_private_variable

OUTPUT_LIMIT = 20_000
# in bytes, up to four for a character of UTF-8, with a margin: a secret at the cut is still recognised as a whole
READ_LIMIT = 4 * (OUTPUT_LIMIT + MARGIN + 1)
# of the temporary file of a hook that prints without end
DISK_LIMIT = 64 << 20
POLL_SECONDS = 0.2


def run_hook(name: str, instance: Instance, run: Run) -> None:
    """Run the hook `name` of `instance`, if it has one, and store its output in the row of `run`.

    Raises BackupError when it cannot be started, fails, or takes longer than the instance's hook timeout (seconds).
    """
    argv = instance.hooks.get(name)
    if not argv:
        return
    # a file instead of a pipe: a service that the hook started keeps the output open, which must not block this process
    with _scratch(run) as output:
        code = _execute(list(argv), instance, run, output)
        text = _text(output)
    note = HookNote(hook=name, at=timezone.now().isoformat(), exit_code=code, output=text)
    run.update_running(hook_output=[*run.hook_output, note])
    audit.log(f"{run.noun}.hook", **run.log_key, instance=instance.name, hook=name, exit_code=code)
    if code != 0:
        how = f"did not end within {instance.hook_timeout} s" if code is None else f"failed with exit code {code}"
        raise BackupError(f"The hook {name} ({argv[0]}) {how}.", hint="Its output is stored with the run.")


def environment(instance: Instance, run: Run) -> dict[str, str]:
    """Return the environment of a hook: that of this process, without its settings and without secrets."""
    known = {name: value for name, value in os.environ.items() if not is_private_variable(name)}
    return known | {"BACKUPSITE_INSTANCE": instance.name, "BACKUPSITE_RUN": str(run.pk)}


def _scratch(run: Run) -> BinaryIO:
    """Return a temporary file for the output, in the workspace of the run where that has room for all of it."""
    directory = workspace.root() / str(run.pk)
    try:
        if free_bytes(directory) > 2 * DISK_LIMIT:
            return cast("BinaryIO", tempfile.TemporaryFile(dir=directory))
    except OSError as error:
        audit.log(f"{run.noun}.hook-output-in-memory", logging.WARNING, **run.log_key, error=error)
    # in memory: with a full disk the hook that restarts the service must still run
    return os.fdopen(os.memfd_create("hook-output"), "w+b")


def _execute(argv: list[str], instance: Instance, run: Run, output: BinaryIO) -> int | None:
    """Run the program and return its exit code; after the timeout kill its process group and return None."""
    try:
        process = subprocess.Popen(
            argv,
            cwd=instance.root if instance.root.is_dir() else None,
            env=environment(instance, run),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # not the 0o077 of this process: a service that is started here creates files for others to read
            umask=0o022,
        )
    except OSError as error:
        raise BackupError(
            f"The hook {argv[0]} cannot be started: {error.strerror}.", hint="Correct the instances file."
        ) from error
    try:
        until = time.monotonic() + instance.hook_timeout
        while True:
            try:
                return process.wait(min(POLL_SECONDS, max(0.0, until - time.monotonic())))
            except subprocess.TimeoutExpired:
                if time.monotonic() > until:
                    return None
            if os.fstat(output.fileno()).st_blocks * 512 > DISK_LIMIT:
                # the hook continues at its offset, behind a hole that takes no space
                os.ftruncate(output.fileno(), 0)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _text(output: BinaryIO) -> str:
    """Return the end of the output with secrets redacted."""
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - READ_LIMIT))
    read = output.read()
    # PostgreSQL refuses NUL in JSON; those at the beginning are the hole
    text = read.lstrip(b"\0").decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    if size > READ_LIMIT and read.startswith(b"\0"):
        # the truncated beginning of the line may have held what marks the rest as a secret
        text = text.partition("\n")[2]
    return redact_cut(text, last=OUTPUT_LIMIT)
