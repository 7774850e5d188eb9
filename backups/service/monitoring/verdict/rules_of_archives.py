"""Reasons about what lies at the destinations: copies, encryption, keys, proof, retention, data that is gone."""

from collections.abc import Iterator
from datetime import datetime

from backups.models import BackupCopy
from backups.service.drops.episodes import summary
from backups.service.monitoring.verdict.facts import CopyFact, Facts
from backups.service.monitoring.verdict.level import Level
from backups.service.monitoring.verdict.limits import Limits
from backups.service.monitoring.verdict.reason import Reason
from destinations.lib.formats import counted, rough_duration
from destinations.lib.operator_error import sentences

State = BackupCopy.State


def archive_reasons(facts: Facts, now: datetime, limits: Limits) -> Iterator[Reason]:
    """Yield the reasons, the most urgent first."""
    if not facts.is_watched:
        return
    yield from _lost(facts)
    yield from _dropped(facts)
    yield from _proof(facts, now, limits)
    if facts.good is not None:
        yield from _keys(facts, now, limits)
        yield from _copies(facts)
        yield from _places(facts)


def _lost(facts: Facts) -> Iterator[Reason]:
    name = facts.instance
    if facts.missing:
        yield Reason(
            "archive-lost", Level.AT_RISK,
            f"{counted(facts.missing, 'archive')} of {name} {'is' if facts.missing == 1 else 'are'} missing at the "
            "destination, and this site did not delete it.",
            "Bring it back or import it, or accept the loss: `listbackups --missing`, `acceptloss`.",
        )  # fmt: skip
    if facts.damaged:
        yield Reason(
            "archive-damaged", Level.AT_RISK,
            f"Of {counted(facts.damaged, 'backup')} of {name} only damaged archives are left.",
            "Look at the storage, make a new backup, and delete what is damaged.",
        )  # fmt: skip


def _dropped(facts: Facts) -> Iterator[Reason]:
    if (episode := facts.episode) is not None:
        yield Reason(
            "data-dropped", Level.AT_RISK,
            f"Data of {facts.instance} is gone since the backup before: {summary(episode.newest)}.",
            f"If that is intended run `confirmdrop {episode.newest.pk}`, else restore an earlier backup.",
            since=episode.since,
        )  # fmt: skip
    for item in facts.off_trend:
        yield Reason(
            "records-off-trend", Level.AT_RISK, item.text,
            "Look at the data; confirm the change where it is intended.", item.subject,
        )  # fmt: skip


def _proof(facts: Facts, now: datetime, limits: Limits) -> Iterator[Reason]:
    name, drills = facts.instance, facts.drills
    for run in drills.failures:
        yield Reason(
            f"{run.kind}-failed", Level.AT_RISK,
            sentences(f"The last {run.kind} of {name} failed: {run.error_message}"),
            sentences(run.error_hint or "Make a new backup and drill that"), since=run.completed_at,
        )  # fmt: skip
    if facts.good is None or drills.failures:
        return
    put_off = f" It is put off: {drills.put_off}" if drills.put_off else ""
    if facts.proof is None:
        yield Reason(
            "never-drilled", Level.AT_RISK, sentences(f"No backup of {name} was ever restored in a drill.{put_off}"),
            f"Run `drill {name}`, and let it be done regularly: docs/drill.md.",
        )  # fmt: skip
        return
    age, period = now - facts.proof.created_at, drills.every or limits.drill_period
    if age > period + limits.drill_grace:
        yield Reason(
            "drill-overdue", Level.AT_RISK,
            sentences(
                f"The last drill of {name} that passed was {rough_duration(age)} ago; one is due every "
                f"{counted(period.days, 'day')}.{put_off}"
            ),
            f"Run `drill {name}`.", since=facts.proof.created_at + period,
        )  # fmt: skip


def _keys(facts: Facts, now: datetime, limits: Limits) -> Iterator[Reason]:
    for fact in facts.sound_copies:
        if not fact.is_encrypted:
            continue
        check, where = fact.place.key_check, fact.place.name
        if check is not None and check.problem:
            yield Reason("keys-lost", Level.AT_RISK, check.problem, check.hint, where, check.checked_at)
        elif check is None or check.checked_at is None or now - check.checked_at > limits.key_check_age:
            yield Reason(
                "key-not-proven", Level.AT_RISK,
                f"It is not proven that a key at hand opens the backups of {facts.instance} at {where}.",
                f"Run `checkkeys {where}`.", where,
            )  # fmt: skip


def _copies(facts: Facts) -> Iterator[Reason]:
    name = facts.instance
    lacking = [fact for fact in facts.copies if not fact.copy.is_sound and not _is_being_made(fact)]
    for fact in lacking:
        where, is_damaged = fact.place.name, fact.copy.condition == "damaged"
        yield Reason(
            "copy-damaged" if is_damaged else "copy-missing", Level.AT_RISK,
            sentences(
                f"The copy of the newest good backup of {name} at {where} is {'damaged' if is_damaged else 'missing'}",
                fact.copy.error,
            ),
            sentences(fact.copy.error_hint or "It is made again as soon as that destination takes it"), where,
        )  # fmt: skip
    if others := facts.lacking - bool(lacking):
        yield Reason(
            "copies-missing", Level.AT_RISK, f"{counted(others, 'older backup')} of {name} lack a copy.",
            "They are made again as soon as the destination takes them; give up what cannot be made.",
        )  # fmt: skip
    if not facts.copies_away:
        yield Reason(
            "only-on-this-machine", Level.AT_RISK,
            f"The newest good backup of {name} is on this machine only, and would be lost with it.",
            "Add a destination on another machine to its schedule: docs/copies.md.",
        )  # fmt: skip
    for fact in facts.copies_away:
        if not fact.is_encrypted:
            yield Reason(
                "unencrypted-off-machine", Level.AT_RISK,
                f"The newest good backup of {name} is not encrypted at {fact.place.name}, which is off this machine.",
                "Configure keys and require encryption there: docs/encryption.md.", fact.place.name,
            )  # fmt: skip


def _places(facts: Facts) -> Iterator[Reason]:
    for fact in facts.copies:
        retention = fact.place.retention
        if retention is not None and retention.problem:
            yield Reason(
                "retention-stopped", Level.AT_RISK,
                sentences(f"Retention at {fact.place.name} does not come to its end: {retention.problem}"),
                f"Correct that, then run `prunebackups {fact.place.name}`.", fact.place.name, retention.done_at,
            )  # fmt: skip


def _is_being_made(fact: CopyFact) -> bool:
    return fact.copy.state in (State.WAITING, State.UPLOADING) and not fact.copy.attempts
