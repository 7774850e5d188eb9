"""Scripts for a worker that change what its runs do: these are forked from a process of their own."""

# the process of the first run stops in its tracks when the first block of its archive lies at the destination
STOPS_DURING_UPLOAD = """
import os, signal
from pathlib import Path
from destinations.backends.local import destination
blocks_of = destination.blocks_of
def stopping(*given):
    for block in blocks_of(*given):
        yield block
        try:
            (Path(os.environ["BACKUPSITE_HOME"]) / "has-stopped").touch(exist_ok=False)
        except FileExistsError:
            continue
        os.kill(os.getpid(), signal.SIGSTOP)
destination.blocks_of = stopping
"""


def run_in_children(script: str) -> str:
    """Return a script for a worker, after which each run of it executes `script` first."""
    return (
        "import sys, subprocess\n"
        "import backups.worker.run_process as s\n"
        "start = s.subprocess.Popen\n"
        "def changed(argv, **options):\n"
        f"    code = 'import sys, django; django.setup()\\n' + {script!r} + "
        "'\\nfrom django.core.management import execute_from_command_line as run; run(sys.argv)'\n"
        "    return start([argv[0], '-c', code, *argv[3:]], **options)\n"
        "class Changed: Popen = staticmethod(changed); DEVNULL = subprocess.DEVNULL\n"
        "s.subprocess = Changed\n"
    )
