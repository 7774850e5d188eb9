"""Why an instance is not protected, and what to do about it."""

from dataclasses import dataclass
from datetime import date, datetime

from backups.service.monitoring.verdict.level import Level


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A person accepted a reason until the end of the day `until`: it stays listed, and the level stays as it is."""

    text: str
    until: date
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Reason:
    """One cause by which an instance, or the site, is at `level` at best.

    `text` has the facts and `hint` what to do, both in full sentences. `subject` is the destination, component,
    schedule or queue that it is about: with the instance and the code it identifies the cause. `since` is when it
    began, where the rows say so.
    """

    code: str
    level: Level
    text: str
    hint: str
    subject: str = ""
    since: datetime | None = None
    accepted: Acceptance | None = None

    @property
    def key(self) -> str:
        return f"{self.code}:{self.subject}" if self.subject else self.code
