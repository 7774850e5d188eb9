"""The verdict on one instance, from its facts: no query, no file and no clock."""

from dataclasses import dataclass
from datetime import date, datetime

from backups.service.monitoring.verdict.facts import Facts
from backups.service.monitoring.verdict.level import Level, worst
from backups.service.monitoring.verdict.limits import Limits
from backups.service.monitoring.verdict.reason import CODES, Reason
from backups.service.monitoring.verdict.rules_of_archives import archive_reasons
from backups.service.monitoring.verdict.rules_of_runs import run_reasons

DEFAULTS = Limits()


@dataclass(frozen=True, slots=True)
class Verdict:
    """How well `instance` is protected. `reasons` lower it to `level`, the most urgent first; none when protected."""

    instance: str
    level: Level
    reasons: tuple[Reason, ...]
    facts: Facts

    @property
    def open_reasons(self) -> list[Reason]:
        """The reasons that were not accepted."""
        return [reason for reason in self.reasons if reason.accepted is None]

    @property
    def accepted_until(self) -> date | None:
        """When the first acceptance ends, where all the reasons for the level are accepted."""
        acceptances = [reason.accepted for reason in self.reasons if reason.level == self.level]
        ends = [accepted.until for accepted in acceptances if accepted is not None]
        return min(ends) if ends and len(ends) == len(acceptances) else None

    @property
    def urgency(self) -> tuple[int, int]:
        """A key that sorts verdicts: the most urgent is the smallest."""
        return -self.level.exit_code, CODES.index(self.reasons[0].code) if self.reasons else len(CODES)

    @property
    def label(self) -> str:
        until = self.accepted_until
        return f"{self.level.label} (accepted until {until})" if until else self.level.label


def judge(facts: Facts, now: datetime, limits: Limits = DEFAULTS) -> Verdict:
    """Return the level of an instance and all the reasons for it."""
    reasons = [*run_reasons(facts, now, limits), *archive_reasons(facts, now, limits)]
    reasons.sort(key=lambda reason: (-reason.level.exit_code, CODES.index(reason.code)))
    return Verdict(facts.instance, worst(reason.level for reason in reasons), tuple(reasons), facts)
