"""The front page: a banner with the state of everything, and a row for each of the instances that it lists."""

import json
from dataclasses import dataclass
from enum import StrEnum

from django.http import HttpRequest
from django.utils import timezone

from backups.admin.overview.drawings import WORDS_OF_LETTERS
from backups.admin.overview.listing import Listing, listing
from backups.admin.overview.now import Now, now_running
from backups.admin.overview.rows import Row, rows_of
from backups.admin.overview.site_notices import MOST, SiteNotice, site_notices
from backups.admin.shared.half_restored import not_rolled_back_of
from backups.admin.shared.permissions import VIEW, may, sees
from backups.instances import Problem, inventory
from backups.models import RestoreExecution
from backups.service.monitoring.drift import drifted
from backups.service.monitoring.lacking import Flaws, flaws
from backups.service.monitoring.protection import undescribed_instances
from backups.service.monitoring.trends.days import days_of
from backups.service.monitoring.trends.growth import Filling, fillings
from backups.service.monitoring.verdict import Level, Reason, Verdict, site_reasons, verdicts, watched_names
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

    `site` is what concerns the whole site. `flaws` are those of all backups, also of instances that are not watched.
    `off_box` counts the instances with a copy of the last good backup off this machine.
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
    site: list[SiteNotice]
    flaws: Flaws
    described: int
    off_box: int
    restarts: list[Verdict]
    today: str
    most_notices: str = f":{MOST}"
    words_of_days: str = json.dumps(WORDS_OF_LETTERS)

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
    halves = not_rolled_back_of(request)
    names = sorted({*watched_names(halves), *undescribed_instances()})
    found = flaws()
    judged = verdicts(names, flaws=found, half_restored=halves)
    listed = listing(judged, request.GET)
    shown = [verdict.instance for verdict in listed.shown]
    destinations = list(BackupDestination.objects.enabled())
    see_restores, may_run = sees(user, RestoreExecution), may(user, "run_backup")
    running = now_running(shown, see_restores=see_restores)
    changed = drifted(verdict.facts.good for verdict in listed.shown if verdict.facts.good is not None)
    rows = rows_of(listed.shown, days_of(shown, now), running, changed)
    workers = worker_state()
    site = site_notices(request, site_reasons(judged, workers), {row.name: row for row in destinations})

    # each is part of one sentence there
    warnings = [_within_a_sentence(notice.reason) for notice in site]
    warnings += [f"{counted(number, 'archive')} of {name} went missing" for name, number in found.missing.items()]
    warnings += [f"{counted(number, 'archive')} of {name} got damaged" for name, number in found.damaged.items()]
    warnings += [
        f"{counted(number, 'backup')} of {name} {'lacks' if number == 1 else 'lack'} a copy"
        for name, number in found.lacking.items()
    ]
    described = [verdict.facts for verdict in judged if verdict.facts.is_described]
    scheduled = any(facts.outlook.automatic for facts in described)
    warnings += ["no schedule is active"] if judged and not scheduled else []
    severity, banner = _banner(judged, problems, [notice.reason for notice in site], warnings)
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
        site=site,
        flaws=found,
        described=len(described),
        off_box=sum(bool(facts.copies_away) for facts in described),
        today=timezone.localdate(now).isoformat(),
        restarts=[verdict for verdict in judged if verdict.facts.restart_since],
    )


def _banner(
    judged: list[Verdict], problems: tuple[Problem, ...], site: list[Reason], warnings: list[str]
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
    if urgent := [reason.text for reason in site if reason.level is Level.UNPROTECTED]:
        return Severity.BAD, " ".join(urgent[:NAMED_IN_BANNER])
    if by_level[Level.AT_RISK]:
        return Severity.WARNING, said_of(Level.AT_RISK)
    subject = "The instance is" if len(watched) == 1 else f"All {count} are"
    if warnings:
        return Severity.WARNING, f"{subject} protected, but {_named(warnings)}."
    return Severity.GOOD, f"{subject} protected."


def _within_a_sentence(reason: Reason) -> str:
    """Return the text of `reason` so that it can follow other words; one that begins with a name keeps it."""
    first, _, rest = reason.text.partition(" ")
    return (reason.text if first == reason.subject else f"{first.lower()} {rest}").rstrip(".")


def _named(reasons: list[str]) -> str:
    more = len(reasons) - NAMED_IN_BANNER
    return "; ".join(reasons[:NAMED_IN_BANNER]) + (f"; and {more} more" if more > 0 else "")
