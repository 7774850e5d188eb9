"""What is wrong now: the causes in the verdicts, of the site and of the channels themselves. From rows only."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from backups.models import BackupCopy, InstanceState, Notice, NotificationChannel
from backups.notifications.notices import NO_LONGER, Cause, clean, observe
from backups.notifications.pages import channels_page, destinations_page, instance_page
from backups.notifications.recording import FAILING, HOST_KEY
from backups.service.monitoring.verdict import Level, Reason, Verdict, site_reasons, verdicts
from destinations.models import BackupDestination, DestinationTest

CHANNEL, UNPROVEN = "channel-failing", "alarms-not-proven"
# tries in a row, about ten minutes
FAILURES = 3
RESTART_AFTER = timedelta(days=1)
# an instance that no host knows any more
FORGOTTEN_AFTER = timedelta(days=1)
LEVELS = {Level.UNPROTECTED: Notice.Level.ALARM, Level.AT_RISK: Notice.Level.WARNING}
# the event of each code of a verdict; every other one is about the protection
EVENT_OF = {
    "last-runs-failed": "failed",
    "last-run-failed": "failed",
    "schedule-failing": "failed",
    "overdue": "late",
    "never-backed-up": "late",
    "nothing-restores": "late",
    "archive-lost": "copies",
    "archive-damaged": "copies",
    "copy-missing": "copies",
    "copy-damaged": "copies",
    "copies-missing": "copies",
    "drill-failed": "drills",
    "verification-failed": "drills",
    "drill-without-verdict": "drills",
    "drill-overdue": "drills",
    "never-drilled": "drills",
    "keys-lost": "keys",
    "key-not-proven": "keys",
    "destination-unreachable": "destination",
    "destination-nearly-full": "destination",
    "no-destination": "destination",
    "space-short": "destination",
    "data-dropped": "data",
    "records-off-trend": "data",
    "retention-stopped": "retention",
    "rule-unconfirmed": "retention",
    "worker-silent": "workers",
    "half-restored": "half-restored",
    "restart-pending": "restart",
    "own-database-not-backed-up": "own-database",
    "alarms-not-proven": "channel",
    "instances-file-broken": "configuration",
    "no-instance": "configuration",
    "not-in-instances-file": "configuration",
    "configuration-broken": "configuration",
    "component-missing": "configuration",
}
# the notice of them is opened by the run that fails
ONE_CAUSE = {"last-runs-failed": FAILING, "last-run-failed": FAILING}
# of a destination: one cause, however many instances name it
OF_A_DESTINATION = frozenset({"keys-lost", "retention-stopped"})


def look(now: datetime) -> int:
    """Open notices for what is wrong, and end those of what is over; return how many."""
    judged = verdicts()
    causes = [
        *_of_site(judged),
        *(cause for one in judged for cause in _of_instance(one, now)),
        *_of_kits(judged),
        *_of_channels(),
    ]
    watched = {verdict.instance for verdict in judged}
    failing = {verdict.instance for verdict in judged if verdict.facts.failure is not None}
    accepted = _accepted(judged)

    def ending(notice: Notice) -> str:
        if notice.code == HOST_KEY:
            return NO_LONGER if _is_trusted_again(notice) else ""
        if notice.instance and notice.instance not in watched:
            # another host may know it
            return f"{notice.instance} is described no more." if notice.seen_at < now - FORGOTTEN_AFTER else ""
        if words := accepted.get((notice.instance, notice.code, notice.subject)):
            return words
        # a verdict may have a more urgent reason that names it
        return "" if notice.code == FAILING and notice.instance in failing else NO_LONGER

    changes = observe(causes, ending=ending, now=now)
    # opened by a run since the last look, for what was accepted before: nobody is told of it
    unheard = Notice.objects.filter(ended_at=now, announced_at=None, ending__in={*map(clean, accepted.values())})
    unheard.update(announced_at=now, end_announced_at=now)
    return changes


def _of_site(judged: Sequence[Verdict]) -> Iterator[Cause]:
    for reason in site_reasons(judged):
        # of this host alone, so that another one would end it: the heartbeats of the workers have the logs of all
        if reason.code == "log-not-writable":
            continue
        page = channels_page() if reason.code == UNPROVEN else destinations_page()
        if cause := _cause(reason, "", page if reason.subject else ""):
            yield cause


def _of_instance(verdict: Verdict, now: datetime) -> Iterator[Cause]:
    failure = verdict.facts.failure
    named = {str(row) for row in verdict.facts.outlook.failing if failure and row.pk == failure.schedule_id}
    # the most urgent first: of several with one key the first one counts
    for reason in verdict.reasons:
        if reason.accepted is not None:
            continue
        if reason.code == "schedule-failing" and reason.subject in named:
            # the failure has a notice of its own
            continue
        if reason.code == "restart-pending" and reason.since is not None and reason.since > now - RESTART_AFTER:
            continue
        if cause := _cause(reason, verdict.instance, instance_page(verdict.instance)):
            is_interrupted = failure is not None and failure.status == failure.Status.INTERRUPTED
            if reason.code == "last-run-failed" and is_interrupted:
                cause = replace(cause, event="interrupted")
            yield cause


def _cause(reason: Reason, instance: str, page: str) -> Cause | None:
    level = LEVELS.get(reason.level)
    if level is None:
        return None
    subject = "" if reason.code in ONE_CAUSE else reason.subject
    return Cause(
        EVENT_OF.get(reason.code, "protection"),
        reason.text,
        reason.hint,
        instance="" if reason.code in OF_A_DESTINATION else instance,
        code=ONE_CAUSE.get(reason.code, reason.code),
        subject=subject,
        level=level,
        since=reason.since,
        page=page,
    )


def _of_kits(judged: list[Verdict]) -> Iterator[Cause]:
    """Yield the instances whose newest good backup is for other keys than their recovery kit names."""
    kits = InstanceState.objects.filter(instance__in=[one.instance for one in judged], kit_made_at__isnull=False)
    made = {row.instance: row for row in kits}
    for verdict in judged:
        kit, good = made.get(verdict.instance), verdict.facts.good
        if kit is None or kit.kit_made_at is None or good is None or good.created_at < kit.kit_made_at:
            continue
        if sorted(good.recipients) != sorted(kit.kit_recipients):
            yield Cause(
                "recovery-kit",
                f"The recovery kit of {kit.instance} was made on {kit.kit_made_at:%Y-%m-%d}, and its backups are for "
                "other keys since then.",
                f"Make a new one with `recoverykit {kit.instance}`, and put it where the old one is.",
                instance=kit.instance,
                code="recovery-kit-old",
                since=good.created_at,
                page=instance_page(kit.instance),
            )


def _of_channels() -> Iterator[Cause]:
    for channel in NotificationChannel.objects.filter(enabled=True, failures__gte=FAILURES):
        yield Cause(
            "channel",
            f"The channel {channel.name} cannot deliver. {channel.last_error}",
            f"Correct its options, then run `testchannel {channel.name}`. What waits is tried again for a day.",
            code=CHANNEL,
            subject=channel.name,
            since=channel.failing_since,
            page=channels_page(),
        )


def _accepted(judged: list[Verdict]) -> dict[tuple[str, str, str], str]:
    """Return how the notices of accepted reasons end."""
    found = {}
    for verdict in judged:
        for reason in verdict.reasons:
            if reason.accepted is not None and (cause := _cause(reason, verdict.instance, "")):
                by, until, text = reason.accepted.by, reason.accepted.until, reason.accepted.text
                found[cause.key] = f"Accepted by {by} until {until:%Y-%m-%d}: {text}"
    return found


def _is_trusted_again(notice: Notice) -> bool:
    """Whether the server of the destination was reached, as the one that is trusted, since the notice."""
    destination = BackupDestination.objects.filter(name=notice.subject).first()
    if destination is None:
        return True
    tests = DestinationTest.objects.filter(destination=destination, error="", tested_at__gt=notice.seen_at)
    stored = BackupCopy.objects.stored().filter(destination=destination, stored_at__gt=notice.seen_at)
    return tests.exists() or stored.exists()
