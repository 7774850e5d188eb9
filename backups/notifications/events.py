"""The events: everything that a channel can be chosen for, and the levels that each of them may have."""

from dataclasses import dataclass

from backups.models import Notice

Level = Notice.Level
ALARM, WARNING, INFORMATION = Level.ALARM, Level.WARNING, Level.INFORMATION


@dataclass(frozen=True, slots=True)
class Event:
    """`levels` are those that it may have, the usual one first; `about` says when it happens."""

    code: str
    label: str
    about: str
    levels: tuple[Level, ...]

    @property
    def usual(self) -> Level:
        return self.levels[0]


EVENTS: dict[str, Event] = {
    event.code: event
    for event in (
        Event("failed", "Backup failed", "A backup failed, or could not be started.", (WARNING, ALARM)),
        Event("interrupted", "Backup interrupted", "The process of a backup ended too early.", (WARNING, ALARM)),
        Event("late", "Backup overdue", "No good backup in the time that the schedules allow.", (ALARM, WARNING)),
        Event("copies", "Copies of archives", "An archive or one copy of it is gone or changed.", (WARNING, ALARM)),
        Event("drills", "Drill or verification", "One failed, is overdue or was never done.", (WARNING, ALARM)),
        Event("keys", "Keys", "No key that is here opens an archive, or that is not known.", (ALARM, WARNING)),
        Event("destination", "Destination", "One is out of reach, full or nearly full.", (WARNING, ALARM)),
        Event("host-key", "Host key changed", "A server shows another key or certificate.", (ALARM,)),
        Event("data", "Record counts and sizes", "A backup differs much from those before.", (WARNING, ALARM)),
        Event("retention", "Retention stopped", "Retention stopped itself, and nothing is pruned.", (WARNING, ALARM)),
        Event("workers", "Workers and scheduler", "One of them is silent or fails.", (ALARM, WARNING)),
        Event("restore-begun", "Restore begun", "A restore began to work on an instance.", (INFORMATION,)),
        Event("restore-ended", "Restore completed", "A restore came to its end.", (INFORMATION,)),
        Event("restore-failed", "Restore failed", "A restore failed, and was rolled back.", (ALARM, WARNING)),
        Event("half-restored", "Half restored", "A restore failed and could not be rolled back.", (ALARM, WARNING)),
        Event("restart", "Restart pending", "A restored service was not restarted for a day.", (WARNING, ALARM)),
        Event("recovery-kit", "Recovery kit", "It is older than the newest key.", (WARNING,)),
        Event("own-database", "Database of this site", "It is not backed up.", (WARNING, ALARM)),
        Event("configuration", "Configuration", "An instance or its configuration has errors.", (WARNING, ALARM)),
        Event("protection", "Protection", "Anything else that an instance lacks to be protected.", (WARNING, ALARM)),
        Event("channel", "Channel fails", "One cannot deliver, or is unproven. Sent by the others.", (ALARM, WARNING)),
    )
}  # fmt: skip


def cells() -> list[str]:
    """Return every choice that a channel has: each event with each of its levels, as ``late:alarm``."""
    return [f"{event.code}:{level}" for event in EVENTS.values() for level in event.levels]


def cell_of(notice: Notice) -> str:
    return f"{notice.event}:{notice.level}"
