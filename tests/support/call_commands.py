"""Commands run inside the test, with its settings and its database."""

import io
import json
from dataclasses import dataclass
from typing import Any

from django.core.management import CommandError, call_command


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code, what it printed, and its one line of error."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


def command(*arguments: object) -> Ended:
    out = io.StringIO()
    try:
        call_command(*map(str, arguments), stdout=out)
    except CommandError as error:
        return Ended(error.returncode, out.getvalue(), str(error))
    except SystemExit as ended:
        # of one whose exit code is its answer
        assert isinstance(ended.code, int)
        return Ended(ended.code, out.getvalue(), "")
    return Ended(0, out.getvalue(), "")


def refused(*arguments: object) -> str:
    """Return the one line that a command says which does nothing."""
    ended = command(*arguments)
    assert (ended.code, ended.out) == (1, "")
    assert "\n" not in ended.err
    return ended.err
