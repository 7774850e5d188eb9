"""The levels of protection."""

from collections.abc import Iterable
from enum import StrEnum


class Level(StrEnum):
    """The values are stable: pages, metrics, JSON and exit codes have them."""

    PROTECTED = "protected"
    AT_RISK = "at-risk"
    UNPROTECTED = "unprotected"

    @property
    def label(self) -> str:
        return {"protected": "Protected", "at-risk": "At risk", "unprotected": "Unprotected"}[self.value]

    @property
    def exit_code(self) -> int:
        """The exit code of a Nagios plug-in: OK, WARNING, CRITICAL."""
        return list(type(self)).index(self)


def worst(levels: Iterable[Level]) -> Level:
    """Return the worst of `levels`; PROTECTED for none."""
    return max(levels, key=lambda level: level.exit_code, default=Level.PROTECTED)
