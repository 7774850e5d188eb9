"""Programs of the operator that run around a backup or a restore: argv lists, no shell, a timeout, output kept."""

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
from destinations.lib.redaction import MARGIN, redact_cut
from destinations.lib.secret_names import is_private_variable

OUTPUT_LIMIT = 20_000
# in bytes, of which a character of UTF-8 has up to four: more than is kept, so that no secret is torn unseen
READ_LIMIT = 4 * (OUTPUT_LIMIT + MARGIN + 1)
# of the temporary disk that a hook which prints without end may fill
DISK_LIMIT = 64 << 20
LOOK_SECONDS = 0.2


def run_hook(name: str, instance: Instance, run: Run) -> None:
    """Run the hook `name` of `instance`, if it has one, and keep what it printed in the row of `run`.

    Raises BackupError when it cannot be started, fails, or takes longer than the instance's hook timeout (seconds).
    """
    argv = instance.hooks.get(name)
    if not argv:
        return
    # a file and no pipe: a service that the hook leaves behind keeps it open, and must not make us wait
    with _scratch() as output:
        code = _execute(list(argv), instance, run, output)
        text = _text(output)
    note = HookNote(hook=name, at=timezone.now().isoformat(), exit_code=code, output=text)
    run.kept(hook_output=[*run.hook_output, note])
    audit.log(f"{run.noun}.hook", execution=run.pk, instance=instance.name, hook=name, exit_code=code)
    if code != 0:
        how = f"did not end within {instance.hook_timeout} s" if code is None else f"failed with exit code {code}"
        raise BackupError(f"the hook {name} ({argv[0]}) {how}", hint="its output is kept with the run")


def _scratch() -> BinaryIO:
    """Return a file for the output. A disk that is full must not keep a service from being started again."""
    try:
        return cast("BinaryIO", tempfile.TemporaryFile())
    except OSError:
        return os.fdopen(os.memfd_create("hook-output"), "w+b")


def environment(instance: Instance, run: Run) -> dict[str, str]:
    """Return what a hook gets to know: our environment without our settings and without secrets."""
    known = {name: value for name, value in os.environ.items() if not is_private_variable(name)}
    return known | {"BACKUPSITE_INSTANCE": instance.name, "BACKUPSITE_RUN": str(run.pk)}


def _execute(argv: list[str], instance: Instance, run: Run, output: BinaryIO) -> int | None:
    """Return the exit code, None after the timeout. Its process group ends with a hook that does not end by itself."""
    try:
        process = subprocess.Popen(
            argv,
            cwd=instance.root if instance.root.is_dir() else None,
            env=environment(instance, run),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # ours hides everything from everybody, which is not for what a service makes
            umask=0o022,
        )
    except OSError as error:
        raise BackupError(
            f"the hook {argv[0]} cannot be started: {error.strerror}", hint="correct the instances file"
        ) from error
    try:
        return _wait(process, output, instance.hook_timeout)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", output: BinaryIO, seconds: float) -> int | None:
    """Return the exit code, None after that many seconds. What is too much of the output is given back to the disk."""
    until = time.monotonic() + seconds
    while True:
        try:
            return process.wait(min(LOOK_SECONDS, max(0.0, until - time.monotonic())))
        except subprocess.TimeoutExpired:
            if time.monotonic() > until:
                return None
        if os.fstat(output.fileno()).st_blocks * 512 > DISK_LIMIT:
            # the hook goes on where it was: behind a hole, which takes no space
            os.ftruncate(output.fileno(), 0)


def _text(output: BinaryIO) -> str:
    """Return the end of the output with secrets redacted."""
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - READ_LIMIT))
    read = output.read()
    # PostgreSQL takes no NUL in JSON; those at the beginning are the hole
    text = read.lstrip(b"\0").decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    if size > READ_LIMIT and read.startswith(b"\0"):
        # what marks a secret may have been given back with the beginning of its line
        text = text.partition("\n")[2]
    return redact_cut(text, last=OUTPUT_LIMIT)
