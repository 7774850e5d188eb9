"""Causes that concern the whole site, from rows only: no destination is asked."""

from collections import Counter
from collections.abc import Iterator, Sequence

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from backups.instances import inventory
from backups.instances.kinds import KINDS
from backups.instances.kinds.backupsite.kind import ADVICE, BackupSite
from backups.lib.log_handlers import log_problem
from backups.models import BackupExecution, KeyCheck, NotificationChannel
from backups.service.monitoring.verdict.judge import Verdict
from backups.service.monitoring.verdict.level import Level
from backups.service.monitoring.verdict.limits import Limits
from backups.service.monitoring.verdict.reason import Reason
from backups.service.monitoring.workers import WorkerState, worker_state
from destinations.lib.formats import human_size
from destinations.lib.operator_error import sentences
from destinations.models import BackupDestination, DestinationTest

# All codes of the site, the most urgent first. They are stable as those of instances.
SITE_CODES = (
    "instances-file-broken",
    "no-instance",
    "keys-lost",
    "worker-silent",
    "no-destination",
    "destination-unreachable",
    "destination-nearly-full",
    "rule-unconfirmed",
    "log-not-writable",
    "alarms-not-proven",
    "own-database-not-backed-up",
)
OWN_KIND = BackupSite.kind
# what is read of a destination here
COLUMNS = (
    *("name", "established", "last_backup_at", "last_backup_status", "free_bytes", "free_bytes_at"),
    "rule_pending_since",
)


def site_reasons(judged: Sequence[Verdict], workers: WorkerState | None = None) -> list[Reason]:
    """Return what is wrong with the site, the most urgent first. The number of queries is constant.

    `judged` are the verdicts on its instances, `workers` their state where that was asked already.
    """
    found = [*_files(), *_workers(workers or worker_state()), *_destinations(judged), *_alarms()]
    return sorted(found, key=lambda reason: (-reason.level.exit_code, SITE_CODES.index(reason.code)))


def _files() -> Iterator[Reason]:
    found = inventory()
    for problem in found.problems:
        if not problem.instance and not problem.missing:
            yield Reason("instances-file-broken", Level.UNPROTECTED, problem.message, problem.hint)
    if not found.instances and all(problem.missing for problem in found.problems):
        yield Reason(
            "no-instance", Level.UNPROTECTED,
            "There is nothing to back up yet: the instances file describes no instance.",
            "Describe one: docs/instances.md.",
        )  # fmt: skip
    # a project that takes the kind out of the registry backs up its database by other means
    elif OWN_KIND in KINDS and all(instance.kind != OWN_KIND for instance in found.instances.values()):
        yield Reason(
            "own-database-not-backed-up", Level.AT_RISK, "No instance backs up the database of this site itself.",
            ADVICE,
        )  # fmt: skip
    if problem_of_log := log_problem():
        yield Reason(
            "log-not-writable", Level.AT_RISK, sentences(problem_of_log),
            "Let the user of the site write there; until then the lines of its log go to its standard error.",
        )  # fmt: skip


def _workers(state: WorkerState) -> Iterator[Reason]:
    for problem in state.problems:
        yield Reason("worker-silent", Level.AT_RISK, problem.message, problem.hint, problem.queue)


def _alarms() -> Iterator[Reason]:
    limit = timezone.now() - Limits().confirmation
    for row in NotificationChannel.objects.filter(enabled=True, unproven_since__lt=limit):
        yield Reason(
            "alarms-not-proven", Level.AT_RISK,
            f"Nobody has confirmed a test alarm by the channel {row.name}, so it is not known that its alarms arrive.",
            "See whether it reached a person. Send another one with `testalarm`, and confirm it by its link.",
            row.name, row.unproven_since,
        )  # fmt: skip


def _destinations(judged: Sequence[Verdict]) -> Iterator[Reason]:
    for check in KeyCheck.objects.exclude(problem="").select_related("destination"):
        yield Reason("keys-lost", Level.UNPROTECTED, check.problem, check.hint, check.destination.name, check.told_at)
    newest_test = DestinationTest.objects.filter(destination=OuterRef("pk")).values("pk")[:1]
    destinations = list(BackupDestination.objects.enabled().only(*COLUMNS))
    newest = BackupDestination.objects.enabled().values(test=Subquery(newest_test))
    tested = DestinationTest.objects.filter(pk__in=newest).only("destination_id", "error", "hint", "tested_at")
    tests = {test.destination_id: test for test in tested}
    # what one more backup of every instance takes at each: as much as its newest good one
    round_bytes = Counter[str]()
    for facts in (verdict.facts for verdict in judged if verdict.facts.is_watched):
        for fact in facts.sound_copies:
            round_bytes[fact.copy.destination_id] += fact.copy.size_bytes or 0
    if not destinations:
        yield Reason(
            "no-destination", Level.AT_RISK, "No destination is enabled.", "Add one: docs/destinations.md."
        )  # fmt: skip
    for row in destinations:
        test = tests.get(row.pk)
        # a backup that was stored since then shows that it is reachable
        is_over = test is None or (row.established and _reached_since(row, test))
        if test is not None and test.error and not is_over:
            yield Reason(
                "destination-unreachable", Level.AT_RISK, sentences(f"The last test of {row} failed: {test.error}"),
                sentences(test.hint or f"Run `testdestination {row}`"), row.name, test.tested_at,
            )  # fmt: skip
        takes = round_bytes[row.pk]
        if row.free_bytes is not None and row.free_bytes < Limits().backups_that_must_fit * takes:
            yield Reason(
                "destination-nearly-full", Level.AT_RISK,
                f"{row} has {human_size(row.free_bytes)} free, and one more backup of each of its instances takes "
                f"{human_size(takes)}.",
                "Free space there, or shorten what its rule keeps.", row.name, row.free_bytes_at,
            )  # fmt: skip
        if row.rule_pending_since:
            yield Reason(
                "rule-unconfirmed", Level.AT_RISK,
                f"The retention rule of {row} is not confirmed: it would delete more than the one before.",
                f"See what it would delete, then run `confirmrule {row}`.", row.name, row.rule_pending_since,
            )  # fmt: skip


def _reached_since(row: BackupDestination, test: DestinationTest) -> bool:
    last = row.last_backup_at
    return row.last_backup_status == BackupExecution.Status.COMPLETED and last is not None and last > test.tested_at
