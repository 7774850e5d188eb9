"""What a destination keeps of the backups of each instance: a strategy and its numbers. Plain Python."""

from collections.abc import Mapping
from dataclasses import dataclass

from destinations.lib.formats import counted
from destinations.lib.operator_error import OperatorError

# A century of days, and more backups than a destination holds: far from the end of the calendar, where dates overflow.
LARGEST_NUMBER = 36_500

SETTINGS_OF: Mapping[str, tuple[str, ...]] = {
    "simple": ("keep_days", "keep_count"),
    "gfs": ("keep_daily", "keep_weekly", "keep_monthly", "keep_yearly"),
    "hanoi": ("keep_days",),
}
_NEEDS_A_NUMBER = frozenset({"simple", "gfs"})
NUMBERS = ("keep_days", "keep_count", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly")


class RetentionError(OperatorError):
    """A rule or a question that cannot be decided; `setting` names what is wrong where there is one."""

    def __init__(self, message: str, hint: str = "", setting: str = "") -> None:
        super().__init__(message, hint)
        self.setting = setting


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a destination keeps of each instance.

    `SETTINGS_OF` names the numbers each strategy reads; a number of another strategy is refused, because it
    would have no effect. `keep_days` is in days of 24 hours, the others count backups or calendar
    buckets. Raises RetentionError.
    """

    strategy: str
    keep_days: int | None = None
    keep_count: int | None = None
    keep_daily: int = 0
    keep_weekly: int = 0
    keep_monthly: int = 0
    keep_yearly: int = 0
    min_keep: int = 3

    def __post_init__(self) -> None:
        if self.strategy not in SETTINGS_OF:
            raise RetentionError(
                f"The retention strategy {self.strategy!r} is unknown.",
                f"Choose one of: {', '.join(SETTINGS_OF)}.",
                "strategy",
            )
        for name in ("keep_days", "keep_count", "min_keep"):
            self._check_number(name, smallest=1)
        for name in SETTINGS_OF["gfs"]:
            self._check_number(name, smallest=0)
        own = SETTINGS_OF[self.strategy]
        for name in NUMBERS:
            if name not in own and getattr(self, name):
                raise RetentionError(
                    f"{name} has no effect in the retention strategy {self.strategy!r}.",
                    f"Leave {name} out; {self.strategy} reads {', '.join(own)} and min_keep.",
                    name,
                )
        if self.strategy in _NEEDS_A_NUMBER and not any(getattr(self, name) for name in own):
            raise RetentionError(
                f"The retention strategy {self.strategy!r} has no number to go by.",
                f"Give at least one of: {', '.join(own)}.",
                "strategy",
            )

    def _check_number(self, name: str, *, smallest: int) -> None:
        value = getattr(self, name)
        if value is None and name in ("keep_days", "keep_count"):
            return
        if type(value) is not int or not smallest <= value <= LARGEST_NUMBER:
            raise RetentionError(
                f"{name} of the retention rule is {value!r}.",
                f"Give a whole number from {smallest} to {LARGEST_NUMBER}.",
                name,
            )

    def __str__(self) -> str:
        """In one line for people, such as "gfs: 7 daily, 4 weekly"."""
        words = {"keep_days": counted(self.keep_days or 0, "day"), "keep_count": "the newest {}"}
        numbers = {name: getattr(self, name) for name in SETTINGS_OF[self.strategy]}
        parts = [
            words.get(name, "{} " + name.removeprefix("keep_")).format(number)
            for name, number in numbers.items()
            if number
        ]
        return f"{self.strategy}: {', '.join(parts)}" if parts else self.strategy
