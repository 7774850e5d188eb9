"""The front page: a banner with the state of everything, and a row for each of the instances that it lists."""

from dataclasses import dataclass
from enum import StrEnum

from django.http import HttpRequest
from django.utils import timezone

from backups.admin.overview.listing import Listing, listing
from backups.admin.overview.now import Now, now_running
from backups.admin.overview.rows import COLUMNS, Row, rows_of
from backups.admin.shared.permissions import VIEW, may, sees
from backups.admin.shared.progress import with_progress
from backups.instances import Problem, inventory
from backups.lib.log_handlers import log_problem
from backups.models import BackupExecution, KeyCheck, RestoreExecution
from backups.service.monitoring.lacking import lacking_by_instance
from backups.service.monitoring.protection import undescribed_instances
from backups.service.monitoring.restore_points import damaged_by_instance, missing_by_instance
from backups.service.monitoring.trends.days import days_of
from backups.service.monitoring.trends.growth import Filling, fillings
from backups.service.monitoring.verdict import Level, Verdict, verdicts, watched_names
from backups.service.monitoring.workers import WorkerState, worker_state
from destinations.lib.formats import counted
from destinations.models import BackupDestination

# the banner stays short; the table below has all of them
NAMED_IN_BANNER = 3
# so many instances get boxes above the table
NOTICED = 3


class Severity(StrEnum):
    """The severity of the banner: the worst of what the page shows."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class FrontPage:
    """`rows` are those of the listed instances, `urgent` the first of them on an unfiltered first page.

    `missing`, `damaged` and `lacking` count backups by instance: archives that are gone, of which only damaged ones are
    left, and that lack a copy. `off_box` counts the instances with a copy of the last good backup off this machine.
    """

    banner: str
    severity: Severity
    listing: Listing
    rows: list[Row]
    now: Now
    problems: tuple[Problem, ...]
    fillings: list[Filling]
    may_run: bool
    may_see_restores: bool
    workers: WorkerState
    lost_keys: list[KeyCheck]
    log_problem: str
    pending_rules: list[BackupDestination]
    missing: dict[str, int]
    damaged: dict[str, int]
    lacking: dict[str, int]
    described: int
    off_box: int
    restarts: list[Verdict]

    @property
    def destinations(self) -> list[BackupDestination]:
        return [filling.destination for filling in self.fillings]

    @property
    def urgent(self) -> list[Row]:
        return [] if self.listing.is_narrowed or self.listing.before else self.rows[:NOTICED]


def front_page(request: HttpRequest) -> FrontPage | None:
    """Return what the user sees of the instances; None for users who may not see backups."""
    user, now = request.user, timezone.now()
    if not user.has_perm(VIEW):
        return None
    problems = inventory().problems
    names = sorted({*watched_names(), *undescribed_instances()})
    judged = verdicts(names, backups=with_progress(BackupExecution.objects.only(*COLUMNS)))
    listed = listing(judged, request.GET)
    shown = [verdict.instance for verdict in listed.shown]
    destinations = list(BackupDestination.objects.enabled())
    pending_rules = [destination for destination in destinations if destination.rule_pending_since]
    see_restores, may_run = sees(user, RestoreExecution), may(user, "run_backup")
    missing, damaged, lacking = missing_by_instance(), damaged_by_instance(), lacking_by_instance()
    running = now_running(shown, see_restores=see_restores)
    rows = rows_of(listed.shown, days_of(shown, now), running)
    lost_keys = list(KeyCheck.objects.exclude(problem="").select_related("destination"))
    workers, log = worker_state(), log_problem()

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
    described = [verdict.facts for verdict in judged if verdict.facts.is_described]
    scheduled = any(facts.outlook.automatic for facts in described)
    warnings += ["no schedule is active"] if judged and not scheduled else []
    severity, banner = _banner(judged, problems, lost_keys, warnings)
    return FrontPage(
        banner=banner,
        severity=severity,
        listing=listed,
        rows=rows,
        now=running,
        problems=problems,
        fillings=fillings(destinations, now),
        may_run=may_run,
        may_see_restores=see_restores,
        workers=workers,
        lost_keys=lost_keys,
        log_problem=log,
        pending_rules=pending_rules,
        missing=missing,
        damaged=damaged,
        lacking=lacking,
        described=len(described),
        off_box=sum(bool(facts.copies_away) for facts in described),
        restarts=[verdict for verdict in judged if verdict.facts.restart_since],
    )


def _banner(
    judged: list[Verdict], problems: tuple[Problem, ...], lost_keys: list[KeyCheck], warnings: list[str]
) -> tuple[Severity, str]:
    watched = [verdict for verdict in judged if verdict.facts.is_watched]
    # of a file that cannot be read it is not known what it describes
    if not watched and any(not problem.missing for problem in problems):
        return Severity.BAD, "The instances file has errors, so no instance is backed up."
    if not watched:
        return Severity.BAD, "There is nothing to back up yet: the instances file describes no instance."
    by_level = {level: [verdict for verdict in watched if verdict.level is level] for level in Level}
    count = counted(len(watched), "instance")

    def said_of(level: Level) -> str:
        there = sorted(by_level[level], key=lambda verdict: verdict.urgency)
        verb = "is" if len(there) == 1 else "are"
        named = " ".join(verdict.reasons[0].text for verdict in there[:NAMED_IN_BANNER])
        more = len(there) - NAMED_IN_BANNER
        return f"{len(there)} of {count} {verb} {level.label.lower()}. {named}" + (
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
