"""What a watch found, and how bad that is in the words of Nagios plug-ins."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from destinations.lib.operator_error import sentences


class Severity(IntEnum):
    """The values are exit codes."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


# that a backup is late is worse than that something else could not be looked at
URGENCY = (Severity.OK, Severity.WARNING, Severity.UNKNOWN, Severity.CRITICAL)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem. `key` identifies its cause, in a later look too.

    `is_silence` is true where the site cannot report it by itself.
    """

    severity: Severity
    key: str
    text: str
    hint: str = ""
    is_silence: bool = False

    @property
    def line(self) -> str:
        return f"{self.severity.name}: {sentences(self.text, self.hint)}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "severity": self.severity.name.lower(),
            "key": self.key,
            "text": self.text,
            "hint": self.hint,
            "silence": self.is_silence,
        }


def worst(problems: Iterable[Problem]) -> Severity:
    return max((problem.severity for problem in problems), key=URGENCY.index, default=Severity.OK)
