"""The front page: a banner with the state of everything, and one row for each instance."""

from dataclasses import dataclass
from enum import StrEnum

from django.contrib.auth.models import AnonymousUser, User

from backups.admin.overview.rows import Row, rows_of
from backups.admin.shared.permissions import VIEW, may, sees
from backups.admin.shared.progress import with_progress
from backups.instances import Problem, inventory
from backups.lib.log_handlers import log_problem
from backups.models import BackupExecution, KeyCheck, RestoreExecution
from backups.service.monitoring.lacking import lacking_by_instance
from backups.service.monitoring.protection import undescribed_instances
from backups.service.monitoring.restore_points import damaged_by_instance, missing_by_instance
from backups.service.monitoring.verdict import Level, verdicts, watched_names
from backups.service.monitoring.workers import WorkerState, worker_state
from destinations.lib.formats import counted
from destinations.models import BackupDestination

# the banner stays one line; the table below has all of them
NAMED_IN_BANNER = 3


class Severity(StrEnum):
    """The severity of the banner: the worst of what the page shows."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class FrontPage:
    banner: str
    severity: Severity
    rows: list[Row]
    problems: tuple[Problem, ...]
    destinations: list[BackupDestination]
    may_run: bool
    may_see_restores: bool
    workers: WorkerState
    lost_keys: list[KeyCheck]
    log_problem: str
    # the destinations whose retention rule is not confirmed
    pending_rules: list[BackupDestination]
    # how many archives are gone from their destinations, by instance
    missing: dict[str, int]
    # of how many backups only damaged archives are left, by instance
    damaged: dict[str, int]
    # how many backups lack a copy at one of their destinations, by instance
    lacking: dict[str, int]
    # of how many instances the last good backup has a copy off this machine
    off_box: int

    @property
    def described(self) -> int:
        return sum(row.is_described for row in self.rows)

    @property
    def restarts(self) -> list[Row]:
        return [row for row in self.rows if row.verdict.facts.restart_since]


def front_page(user: User | AnonymousUser) -> FrontPage | None:
    """Return what `user` sees of the instances; None for users who may not see backups."""
    if not user.has_perm(VIEW):
        return None
    problems = inventory().problems
    names = sorted({*watched_names(), *undescribed_instances()})
    judged = verdicts(names, backups=with_progress(BackupExecution.objects.all()))
    destinations = list(BackupDestination.objects.enabled().only("pk", "name", "rule_pending_since"))
    pending_rules = [destination for destination in destinations if destination.rule_pending_since]
    see_restores, may_run = sees(user, RestoreExecution), may(user, "run_backup")
    missing, damaged = missing_by_instance(), damaged_by_instance()
    rows = rows_of(judged, destinations, see_restores=see_restores)
    lost_keys = list(KeyCheck.objects.exclude(problem="").select_related("destination"))
    workers, log = worker_state(), log_problem()

    lacking = lacking_by_instance()
    # each is part of one sentence there
    warnings = [problem.message[0].lower() + problem.message[1:].rstrip(".") for problem in workers.problems]
    warnings += ["the log file cannot be written"] if log else []
    warnings += [f"the retention rule of {destination} is not confirmed" for destination in pending_rules]
    warnings += [f"{counted(missing[name], 'archive')} of {name} went missing" for name in sorted(missing)]
    warnings += [f"{counted(damaged[name], 'archive')} of {name} got damaged" for name in sorted(damaged)]
    warnings += [
        f"{counted(lacking[name], 'backup')} of {name} {'lacks' if lacking[name] == 1 else 'lack'} a copy"
        for name in sorted(lacking)
    ]
    warnings += ["no destination is enabled"] if may_run and not destinations else []
    scheduled = any(row.state.outlook.automatic for row in rows if row.is_described)
    warnings += ["no schedule is active"] if rows and not scheduled else []
    severity, banner = _banner(rows, problems, lost_keys, warnings)
    return FrontPage(
        banner=banner,
        severity=severity,
        rows=rows,
        problems=problems,
        destinations=destinations,
        may_run=may_run,
        may_see_restores=see_restores,
        workers=workers,
        lost_keys=lost_keys,
        log_problem=log,
        pending_rules=pending_rules,
        missing=missing,
        damaged=damaged,
        lacking=lacking,
        off_box=sum(row.is_described and bool(row.verdict.facts.copies_away) for row in rows),
    )


def _banner(
    rows: list[Row], problems: tuple[Problem, ...], lost_keys: list[KeyCheck], warnings: list[str]
) -> tuple[Severity, str]:
    watched = [row.verdict for row in rows if row.verdict.facts.is_watched]
    # of a file that cannot be read it is not known what it describes
    if not watched and any(not problem.missing for problem in problems):
        return Severity.BAD, "The instances file has errors, so no instance is backed up."
    if not watched:
        return Severity.BAD, "There is nothing to back up yet: the instances file describes no instance."
    by_level = {level: [verdict for verdict in watched if verdict.level is level] for level in Level}
    count = counted(len(watched), "instance")

    def said_of(level: Level) -> str:
        judged = sorted(by_level[level], key=lambda verdict: verdict.urgency)
        verb = "is" if len(judged) == 1 else "are"
        named = " ".join(verdict.reasons[0].text for verdict in judged[:NAMED_IN_BANNER])
        more = len(judged) - NAMED_IN_BANNER
        return f"{len(judged)} of {count} {verb} {level.label.lower()}. {named}" + (
            f" And {more} more." if more > 0 else ""
        )

    if by_level[Level.UNPROTECTED]:
        return Severity.BAD, said_of(Level.UNPROTECTED)
    if problems:
        return Severity.BAD, "The instances file has errors."
    if lost_keys:
        where = ", ".join(str(check.destination) for check in lost_keys)
        return Severity.BAD, f"Keys are lost: no key at hand opens backups at {where}."
    if by_level[Level.AT_RISK]:
        return Severity.WARNING, said_of(Level.AT_RISK)
    subject = "The instance is" if len(watched) == 1 else f"All {count} are"
    if warnings:
        return Severity.WARNING, f"{subject} protected, but {_named(warnings)}."
    return Severity.GOOD, f"{subject} protected."


def _named(reasons: list[str]) -> str:
    more = len(reasons) - NAMED_IN_BANNER
    return "; ".join(reasons[:NAMED_IN_BANNER]) + (f"; and {more} more" if more > 0 else "")
