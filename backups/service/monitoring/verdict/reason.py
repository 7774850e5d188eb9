"""Why an instance is not protected, and what to do about it."""

from dataclasses import dataclass
from datetime import date, datetime

from backups.service.monitoring.verdict.level import Level

# All codes of instances, the most urgent first. They are stable: acceptances, alarms and scripts have them.
CODES = (
    "half-restored",
    "configuration-broken",
    "not-in-instances-file",
    "nothing-restores",
    "never-backed-up",
    "overdue",
    "last-runs-failed",
    "keys-lost",
    "last-run-failed",
    "component-missing",
    "drill-failed",
    "verification-failed",
    "data-dropped",
    "records-off-trend",
    "archive-lost",
    "archive-damaged",
    "copy-damaged",
    "copy-missing",
    "copies-missing",
    "schedule-failing",
    "schedules-paused",
    "nothing-scheduled",
    "restart-pending",
    "retention-stopped",
    "space-short",
    "drill-without-verdict",
    "key-not-proven",
    "only-on-this-machine",
    "unencrypted-off-machine",
    "drill-overdue",
    "never-drilled",
)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A person accepted a reason until the end of the day `until`: it stays listed, and the level stays as it is.

    `level` is what it lowered the instance to then.
    """

    text: str
    until: date
    by: str
    at: datetime
    level: Level


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
