"""The front page: a banner with the state of everything, and one row for each instance."""

from dataclasses import dataclass
from enum import StrEnum

from django.contrib.auth.models import AnonymousUser, User

from backups.admin.overview.rows import Row, reason_of_restore, rows_of
from backups.admin.shared.permissions import VIEW, may, sees
from backups.admin.shared.progress import with_progress
from backups.instances import Problem, instance_names, inventory
from backups.lib.log_handlers import log_problem
from backups.models import (
    BackupExecution,
    KeyCheck,
    RestoreExecution,
)
from backups.service.monitoring.off_box import lacking_by_instance, off_box
from backups.service.monitoring.protection import Condition, protections, undescribed_instances
from backups.service.monitoring.restore_points import damaged_by_instance, missing_by_instance
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
        return [row for row in self.rows if row.restart]


def front_page(user: User | AnonymousUser, half_restored: list[RestoreExecution]) -> FrontPage | None:
    """Return what `user`, who sees `half_restored`, sees of the instances; None for users who may not see backups."""
    if not user.has_perm(VIEW):
        return None
    undescribed = undescribed_instances()
    problems = inventory().problems
    states = protections(with_progress(BackupExecution.objects.all()), [*instance_names(), *undescribed])
    destinations = list(BackupDestination.objects.enabled().only("pk", "name", "rule_pending_since"))
    pending_rules = [destination for destination in destinations if destination.rule_pending_since]
    see_restores, may_run = sees(user, RestoreExecution), may(user, "run_backup")
    broken = {restore.instance: restore for restore in half_restored}
    missing, damaged = missing_by_instance(), damaged_by_instance()
    rows = rows_of(states, destinations, broken, missing, undescribed, see_restores=see_restores)
    lost_keys = list(KeyCheck.objects.exclude(problem="").select_related("destination"))
    workers, log = worker_state(), log_problem()

    lacking = lacking_by_instance()
    good = [row.state.good for row in rows if row.is_described and row.state.good is not None]

    named = {state.name for state in states}
    elsewhere = [reason_of_restore(restore) for name, restore in broken.items() if name not in named]
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
    warnings += [warning for row in rows for warning in row.warnings]
    severity, banner = _banner(rows, problems, lost_keys, elsewhere, warnings)
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
        off_box=len(off_box(good)),
    )


def _banner(
    rows: list[Row],
    problems: tuple[Problem, ...],
    lost_keys: list[KeyCheck],
    elsewhere: list[str],
    warnings: list[str],
) -> tuple[Severity, str]:
    """Return severity and text of the banner. `elsewhere` are reasons about instances that have no row."""
    wrong = {problem.instance for problem in problems if problem.instance}
    described = [row for row in rows if row.is_described]
    needy = [row for row in rows if row.needs_attention]
    needy.sort(key=lambda row: (row.half_restored is None, list(Condition).index(row.state.condition)))
    count = len(described) + sum(not row.is_described for row in needy) + len(wrong) + len(elsewhere)
    reasons = elsewhere + [f"{name} has configuration errors" for name in sorted(wrong)] + [row.reason for row in needy]
    # of one that cannot be read it is not known what it describes
    if not count and any(not problem.missing for problem in problems):
        return Severity.BAD, "The instances file has errors, so no instance is backed up."
    if not count:
        return Severity.BAD, "There is nothing to back up yet: the instances file describes no instance."
    if reasons:
        verb = "needs" if len(reasons) == 1 else "need"
        return Severity.BAD, f"{len(reasons)} of {counted(count, 'instance')} {verb} attention: {_named(reasons)}."
    if problems:
        return Severity.BAD, "The instances file has errors."
    if lost_keys:
        where = ", ".join(str(check.destination) for check in lost_keys)
        return Severity.BAD, f"Keys are lost: no key at hand opens backups at {where}."
    subject = "The instance has" if count == 1 else f"All {counted(count, 'instance')} have"
    scheduled = any(row.state.outlook.automatic for row in described)
    good = f"{subject} a good backup {'that is not overdue' if scheduled else 'of the last 24 hours'}"
    if warnings:
        return Severity.WARNING, f"{good}, but {_named(warnings)}."
    return Severity.GOOD, f"{good}."


def _named(reasons: list[str]) -> str:
    more = len(reasons) - NAMED_IN_BANNER
    return "; ".join(reasons[:NAMED_IN_BANNER]) + (f"; and {more} more" if more > 0 else "")
