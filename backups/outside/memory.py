"""What was told last: so that a watch that runs every five minutes sends a notice once, and a reminder a day."""

import json
import os
import stat
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from backups.outside.problem import Problem


@dataclass(frozen=True, slots=True)
class Memory:
    """A small file. Where it cannot be written, each look sends a notice: too many are better than none."""

    path: Path
    repeat_seconds: float

    def is_news(self, problems: Sequence[Problem]) -> bool:
        """True for a cause that was not told yet, after the interval of reminders, and when the last cause ended."""
        known, told_at = self._read()
        keys = {problem.key for problem in problems}
        if not keys:
            return bool(known)
        # a clock that was ahead must not keep it silent
        return not keys <= known or not 0 <= time.time() - told_at < self.repeat_seconds

    def keep(self, problems: Sequence[Problem]) -> str:
        """Remember that `problems` were told now; return why that cannot be written, "" when it was."""
        return self._write({problem.key for problem in problems}, time.time())

    def forget_ended(self, problems: Sequence[Problem]) -> str:
        """Forget the causes that are not among `problems`: each is news when it comes again. Returns as `keep`."""
        known, told_at = self._read()
        left = known & {problem.key for problem in problems}
        return self._write(left, told_at) if left != known else ""

    def _write(self, keys: set[str], told_at: float) -> str:
        text = json.dumps({"keys": sorted(keys), "told_at": told_at})
        draft = ""
        try:
            descriptor, draft = tempfile.mkstemp(prefix=f"{self.path.name}.", dir=self.path.parent)
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
            Path(draft).replace(self.path)
        except OSError as error:
            if draft:
                with suppress(OSError):
                    Path(draft).unlink()
            return error.strerror or type(error).__name__
        return ""

    def _read(self) -> tuple[set[str], float]:
        try:
            # another user could have put a file, or a link, where all may write
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor) as file:
                found = os.fstat(descriptor)
                if found.st_uid != os.geteuid() or not stat.S_ISREG(found.st_mode):
                    return set(), 0.0
                kept = json.loads(file.read(1 << 20))
            return set(kept["keys"]), float(kept["told_at"])
        except (OSError, ValueError, KeyError, TypeError):
            # nothing is known: then everything is news
            return set(), 0.0
