"""Reasons about what lies at the destinations: copies, encryption, keys, proof, retention, data that is gone."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from backups.models import BackupCopy, KeyState
from backups.service.drops.episodes import named
from backups.service.monitoring.verdict.facts import CopyFact, Facts
from backups.service.monitoring.verdict.level import Level
from backups.service.monitoring.verdict.limits import Limits
from backups.service.monitoring.verdict.reason import Reason
from destinations.lib.formats import counted, human_size, rough_duration
from destinations.lib.operator_error import sentences

State = BackupCopy.State


def archive_reasons(facts: Facts, now: datetime, limits: Limits) -> Iterator[Reason]:
    if not facts.is_watched:
        return
    yield from _lost(facts)
    yield from _dropped(facts)
    yield from _proof(facts, now, limits)
    if facts.good is not None:
        yield from _keys(facts, now, limits)
        yield from _copies(facts, now, limits)
        yield from _places(facts, limits)


def _lost(facts: Facts) -> Iterator[Reason]:
    name = facts.instance
    if facts.missing:
        yield Reason(
            "archive-lost", Level.AT_RISK,
            f"{counted(facts.missing, 'archive')} of {name} {'is' if facts.missing == 1 else 'are'} missing, and this "
            "site did not delete what is gone.",
            f"Bring it back or import it, or accept the loss: `listbackups {name}`, `acceptloss`.",
        )  # fmt: skip
    if facts.damaged:
        yield Reason(
            "archive-damaged", Level.AT_RISK,
            f"Of {counted(facts.damaged, 'backup')} of {name} only damaged archives are left.",
            "Look at the storage, make a new backup, and delete what is damaged.",
        )  # fmt: skip


def _dropped(facts: Facts) -> Iterator[Reason]:
    episode = facts.episode
    if episode is not None and (episode.lost or not facts.off_trend):
        yield Reason(
            "data-dropped", Level.AT_RISK,
            f"Data of {facts.instance} is gone since the backup before: {'; '.join(named(episode.lost))}.",
            f"If that is intended run `confirmdrop {episode.newest.pk}`, else restore an earlier backup.",
            since=episode.since,
        )  # fmt: skip
    for item in facts.off_trend:
        yield Reason(
            "records-off-trend", Level.AT_RISK, item.text,
            f"If that is intended run `confirmdrop {facts.instance}`, else restore an earlier backup.", item.subject,
            since=episode.since if episode else None,
        )  # fmt: skip


def _proof(facts: Facts, now: datetime, limits: Limits) -> Iterator[Reason]:
    name, drills = facts.instance, facts.drills
    for run in drills.failures:
        yield Reason(
            f"{run.kind}-failed", Level.AT_RISK,
            sentences(f"The last {run.kind} of {name} failed: {run.error_message}"),
            sentences(run.error_hint or "Make a new backup and drill that"), since=run.completed_at,
        )  # fmt: skip
    if (trouble := drills.trouble) is not None:
        yield Reason(
            "drill-without-verdict", Level.AT_RISK,
            sentences(f"The last drill of {name} came to no verdict: {trouble.error_message}"),
            sentences(trouble.error_hint or f"Run `drill {name}` again"), since=trouble.completed_at,
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
    if age > _drill_period(facts, limits):
        yield Reason(
            "drill-overdue", Level.AT_RISK,
            sentences(
                f"The last drill of {name} that passed was {rough_duration(age)} ago; one is due every "
                f"{counted(period.days, 'day')}.{put_off}"
            ),
            f"Run `drill {name}`.", since=facts.proof.created_at + period,
        )  # fmt: skip


def _keys(facts: Facts, now: datetime, limits: Limits) -> Iterator[Reason]:
    encrypted = [fact for fact in facts.sound_copies if fact.is_encrypted]
    states = {fact.place.name: _key_state(facts, fact, now, limits) for fact in encrypted}
    lost = [name for name, state in states.items() if state == KeyState.NEWEST_LOST]
    # one that is not encrypted opens without a key
    nothing_opens = bool(lost) and len(lost) == len(facts.sound_copies)
    for fact in encrypted:
        check, where, state = fact.place.key_check, fact.place.name, states[fact.place.name]
        if state in (KeyState.NEWEST_LOST, KeyState.OLDER_LOST) and check is not None:
            level = Level.UNPROTECTED if nothing_opens else Level.AT_RISK
            yield Reason("keys-lost", level, check.problem, check.hint, where, check.checked_at)
        elif state != KeyState.OPENS and not _proof_opened(facts, fact, now, limits):
            why = "its key is kept elsewhere" if state == KeyState.ELSEWHERE else "no check of the last days says so"
            yield Reason(
                "key-not-proven", Level.AT_RISK,
                f"It is not proven that a key at hand opens the backups of {facts.instance} at {where}: {why}.",
                f"Run `checkkeys`, or a drill of {facts.instance} where its key is.", where,
            )  # fmt: skip


def _key_state(facts: Facts, fact: CopyFact, now: datetime, limits: Limits) -> str:
    check = fact.place.key_check
    if check is None or check.checked_at is None:
        return KeyState.UNDETERMINED
    if check.problem and check.by_instance is None:
        # it was checked by an earlier release, which did not record whose archives they were
        return KeyState.OLDER_LOST
    state = (check.by_instance or {}).get(facts.instance, KeyState.UNDETERMINED)
    # what is lost stays lost until a check says otherwise
    # one in the future was made while a clock was ahead
    is_old = abs(now - check.checked_at) > limits.key_check_age and state == KeyState.OPENS
    return KeyState.UNDETERMINED if is_old else state


def _proof_opened(facts: Facts, fact: CopyFact, now: datetime, limits: Limits) -> bool:
    """True when the drill that counts opened an archive that is encrypted as this copy: one that is plain opens so."""
    if facts.proof is None or now > facts.proof.created_at + _drill_period(facts, limits):
        return False
    return facts.opened == (fact.copy.encryption, sorted(fact.copy.recipients))


def _drill_period(facts: Facts, limits: Limits) -> timedelta:
    """Return how old the last drill may be."""
    return (facts.drills.every or limits.drill_period) + limits.drill_grace


def _copies(facts: Facts, now: datetime, limits: Limits) -> Iterator[Reason]:
    name = facts.instance
    unsound = [fact for fact in facts.copies if not fact.copy.is_sound]
    lacking = [fact for fact in unsound if not _is_being_made(fact, now, limits)]
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
    # the newest is among them, also while its copy is being made, unless that failed a moment ago
    if (others := facts.lacking - bool(unsound)) > 0:
        yield Reason(
            "copies-missing", Level.AT_RISK,
            f"{counted(others, 'older backup')} of {name} {'lacks' if others == 1 else 'lack'} a copy.",
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


def _places(facts: Facts, limits: Limits) -> Iterator[Reason]:
    for fact in facts.copies:
        destination, retention = fact.place.destination, fact.place.retention
        if retention is not None and retention.problem:
            yield Reason(
                "retention-stopped", Level.AT_RISK,
                sentences(f"Retention at {destination} does not come to its end: {retention.problem}"),
                "Correct that, then run `prunebackups`.",
                destination.name, retention.done_at,
            )  # fmt: skip
        size, free = fact.copy.size_bytes, destination.free_bytes
        if free is not None and size and destination.enabled and free < limits.backups_that_must_fit * size:
            yield Reason(
                "space-short", Level.AT_RISK,
                f"{destination} has {human_size(free)} free, which is less than {limits.backups_that_must_fit} more "
                f"backups of {facts.instance} take.",
                "Free space there, shorten what its rule keeps, or choose another destination.",
                destination.name, destination.free_bytes_at,
            )  # fmt: skip


def _is_being_made(fact: CopyFact, now: datetime, limits: Limits) -> bool:
    copy = fact.copy
    if copy.state not in (State.WAITING, State.UPLOADING) or copy.attempts:
        return False
    # one that waits at a disabled destination, or whose run was cancelled, is made by nobody
    has_turn = fact.place.destination.enabled and now - copy.created_at < limits.copy_waits
    return copy.state == State.UPLOADING or has_turn
