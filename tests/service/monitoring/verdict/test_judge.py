"""Facts and the level that follows from them. No row is read: without the mark for it a query would fail."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from backups.models import (
    BackupCopy,
    BackupExecution,
    BackupSchedule,
    DrillExecution,
    KeyCheck,
    KeyState,
    RestoreExecution,
    RetentionPass,
)
from backups.models.columns import AbsentComponent
from backups.service.drops.episodes import Episode
from backups.service.monitoring.drills import DrillState
from backups.service.monitoring.protection import Protection
from backups.service.monitoring.verdict import Acceptance, Facts, Level, judge
from backups.service.monitoring.verdict.facts import CopyFact, OffTrend, Place
from backups.service.monitoring.verdict.reason import CODES
from backups.service.monitoring.verdict.site import SITE_CODES
from backups.service.schedules.freshness import Freshness
from destinations.models import BackupDestination
from tests.support.paths import PROJECT

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PROTECTED, AT_RISK, UNPROTECTED = Level
Change = Callable[[Facts], Facts]


def a_backup(age: timedelta = HOUR, **fields: Any) -> BackupExecution:
    values = {"instance": "shop", "status": "completed", "compressed_size_bytes": 1000, **fields}
    return BackupExecution(created_at=NOW - age, started_at=NOW - age, completed_at=NOW - age, **values)


def a_schedule(**fields: Any) -> BackupSchedule:
    return BackupSchedule(name="nightly", instance="shop", last_run=NOW, last_status="failed", **fields)


def a_drill(backup: BackupExecution, age: timedelta = HOUR, **fields: Any) -> DrillExecution:
    values = {"kind": "drill", "verdict": "passed", "seconds": 12.5, **fields}
    return DrillExecution(instance="shop", execution=backup, created_at=NOW - age, **values)


def a_copy(name: str, *, away: bool, encryption: str = "", **fields: Any) -> CopyFact:
    destination = BackupDestination(name=name, type="local")
    check = KeyCheck(destination=destination, checked_at=NOW - HOUR, by_instance={"shop": KeyState.OPENS.value})
    copy = BackupCopy(
        destination=destination, encryption=encryption, **{"state": "stored", "size_bytes": 1000, **fields}
    )
    return CopyFact(copy, Place(destination, away, check, None))


def protected() -> Facts:
    """Return facts that lack nothing: a copy here, and an encrypted one elsewhere."""
    good = a_backup(encryption="age", recipients=["age1x"])
    drills = DrillState(every=7 * DAY, last=None, failures=(), trouble=None, proof=a_drill(good))
    outlook = Freshness(strictest=a_schedule(), overdue_from=NOW + DAY, automatic=1)
    here, far = a_copy("nas", away=False), a_copy("far", away=True, encryption="age")
    protection = Protection("shop", good, None, None, outlook)
    return Facts(protection, drills, copies=(here, far), opened=("age", []))


def with_(**fields: Any) -> Change:
    return lambda facts: replace(facts, **fields)


def with_state(**fields: Any) -> Change:
    return lambda facts: replace(facts, protection=replace(facts.protection, **fields))


def with_drills(**fields: Any) -> Change:
    return lambda facts: replace(facts, drills=replace(facts.drills, **fields))


def with_schedule(failures: int, *, ended: timedelta = timedelta(), **fields: Any) -> Change:
    row = a_schedule(consecutive_failures=failures, last_error="Destination nas is disabled.")
    row.last_run = NOW - ended

    def change(facts: Facts) -> Facts:
        outlook = Freshness(a_schedule(), NOW + DAY, failures=failures, failing=[row], automatic=1)
        return replace(facts, protection=replace(facts.protection, outlook=outlook, **fields))

    return change


def with_copy(name: str, **fields: Any) -> Change:
    """Change the row of the copy at `name`."""

    def change(facts: Facts) -> Facts:
        for fact in facts.copies:
            for field, value in fields.items() if fact.place.name == name else ():
                setattr(fact.copy, field, value)
        return facts

    return change


def with_place(name: str, check: Any = ..., retention: RetentionPass | None = None, **fields: Any) -> Change:
    """Change what is known of the destination `name`."""

    def change(facts: Facts) -> Facts:
        copies = []
        for fact in facts.copies:
            place = fact.place
            if place.name == name:
                place = replace(place, key_check=place.key_check if check is ... else check, retention=retention)
                for field, value in fields.items():
                    setattr(place.destination, field, value)
            copies.append(replace(fact, place=place))
        return replace(facts, copies=tuple(copies))

    return change


def keys(state: str | None, *, age: timedelta = HOUR, problem: str = "") -> KeyCheck:
    return KeyCheck(
        checked_at=NOW - age, problem=problem, hint="Find it.", by_instance={"shop": state} if state else None
    )


def all_of(*changes: Change) -> Change:
    def change(facts: Facts) -> Facts:
        for one in changes:
            facts = one(facts)
        return facts

    return change


def absent(severity: str, component: str = "orders") -> Change:
    item = AbsentComponent(component=component, reason="gone.", hint="Bring it.", severity=severity, backups=0)
    return with_(absent=(item,))


def half(state: str, stage: str) -> RestoreExecution:
    note: Any = {"orders": {"state": state, "component": "orders", "path": "/srv", "rows": None, "bytes": 0}}
    return RestoreExecution(instance="shop", stage=stage, outcome=note)


never = with_state(good=None)
no_proof = with_drills(proof=None)
failed = a_backup(status="failed", error_message="the disk is full")
episode = Episode(a_backup(drops=[]), NOW - DAY)
bad = a_backup()
unwatched = with_state(outlook=Freshness())

CASES: list[tuple[str, Change, Level, list[str]]] = [
    ("nothing", with_(), PROTECTED, []),
    # late, never, failing
    ("never", all_of(never, with_(copies=()), no_proof), UNPROTECTED, ["never-backed-up"]),
    ("never, the first failed", all_of(never, with_state(failure=failed)), UNPROTECTED, ["never-backed-up"]),
    ("all missing", all_of(never, with_(missing=2)), UNPROTECTED, ["nothing-restores", "archive-lost"]),
    ("all damaged", all_of(never, with_(damaged=2)), UNPROTECTED, ["nothing-restores", "archive-damaged"]),
    ("late", with_state(outlook=Freshness(a_schedule(), NOW - HOUR, automatic=1)), UNPROTECTED, ["overdue"]),
    ("no schedule, of today", with_state(outlook=Freshness()), PROTECTED, []),
    ("no schedule, of yesterday", with_state(outlook=Freshness(), good=a_backup(25 * HOUR, encryption="age",
        recipients=["age1x"])), UNPROTECTED, ["overdue"]),
    ("paused", with_state(outlook=Freshness(paused=1)), AT_RISK, ["schedules-paused"]),
    ("covered no more", with_state(outlook=Freshness(left=[a_schedule(left_at=NOW - HOUR)])), AT_RISK,
        ["nothing-scheduled"]),
    ("covered by another one", with_state(outlook=Freshness(a_schedule(), NOW + DAY, automatic=1, left=[a_schedule()])),
        PROTECTED, []),
    ("gone, covered no more", all_of(with_(is_described=False), with_state(outlook=Freshness(left=[a_schedule()]))),
        UNPROTECTED, ["not-in-instances-file"]),
    ("one failure", with_state(failure=failed), AT_RISK, ["last-run-failed"]),
    ("one refusal", with_schedule(1), AT_RISK, ["schedule-failing:nightly"]),
    ("two in a row", with_schedule(2, failure=failed), UNPROTECTED, ["last-runs-failed"]),
    ("nine in a row, another schedule is good", with_schedule(9, ended=DAY), AT_RISK, ["schedule-failing:nightly"]),
    # the service
    ("half restored", with_(half_restored=half("applying", "applying")), UNPROTECTED, ["half-restored"]),
    ("end of a restore", with_(half_restored=half("restored", "finishing")), UNPROTECTED, ["half-restored"]),
    ("restart", with_(restart_since=NOW - DAY, restart_by="r"), AT_RISK, ["restart-pending"]),
    ("mistake in the file", with_(is_described=False, config_errors=("kind: unknown.",)), UNPROTECTED,
        ["configuration-broken"]),
    ("configuration", with_(config_problem="line 3"), AT_RISK, ["configuration-broken"]),
    ("gone with a schedule", with_(is_described=False), UNPROTECTED, ["not-in-instances-file"]),
    ("gone without one", all_of(with_(is_described=False), unwatched, no_proof), UNPROTECTED,
        ["not-in-instances-file"]),
    ("component", absent("problem"), AT_RISK, ["component-missing:orders"]),
    ("optional component that was backed up", absent("loss"), AT_RISK, ["component-missing:orders"]),
    ("cannot be read", absent("problem", ""), AT_RISK, ["component-missing"]),
    ("optional component that never was", absent("note"), PROTECTED, []),
    # data
    ("drop", with_state(episode=episode), AT_RISK, ["data-dropped"]),
    ("trend", with_(off_trend=(OffTrend("orders", "Orders lost 90% of its rows."),)), AT_RISK,
        ["records-off-trend:orders"]),
    # proof
    ("never drilled", no_proof, AT_RISK, ["never-drilled"]),
    ("drilled a period ago", with_drills(proof=a_drill(bad, 7 * DAY + 23 * HOUR)), PROTECTED, []),
    ("drilled long ago", with_drills(proof=a_drill(bad, 8 * DAY + HOUR)), AT_RISK, ["drill-overdue"]),
    ("no regular drills", with_drills(every=None), PROTECTED, []),
    ("no regular drills, drilled last year", with_drills(every=None, proof=a_drill(bad, 365 * DAY)), AT_RISK,
        ["drill-overdue"]),
    ("drill failed", with_drills(failures=(a_drill(bad, verdict="failed"),)), AT_RISK, ["drill-failed"]),
    ("verification failed", with_drills(failures=(a_drill(bad, kind="verification"),)), AT_RISK,
        ["verification-failed"]),
    ("drill without a verdict", with_drills(trouble=a_drill(bad, verdict="")), AT_RISK, ["drill-without-verdict"]),
    # copies
    ("only here", with_copy("far", missing_at=NOW), AT_RISK, ["copy-missing:far", "only-on-this-machine"]),
    ("only here by design", lambda facts: replace(facts, copies=facts.copies[:1]), AT_RISK, ["only-on-this-machine"]),
    ("plain elsewhere", with_copy("far", encryption=""), AT_RISK, ["unencrypted-off-machine:far"]),
    ("copy here missing", with_copy("nas", missing_at=NOW), AT_RISK, ["copy-missing:nas"]),
    ("copy here damaged", with_copy("nas", damaged_at=NOW), AT_RISK, ["copy-damaged:nas"]),
    ("copy here failed", with_copy("nas", state="failed", error="full"), AT_RISK, ["copy-missing:nas"]),
    ("copy under way", with_copy("nas", state="uploading"), PROTECTED, []),
    ("copy under way, counted", all_of(with_copy("nas", state="uploading"), with_(lacking=1)), PROTECTED, []),
    ("copy waits its turn", with_copy("nas", state="waiting", created_at=NOW - HOUR), PROTECTED, []),
    ("copy waits for long", with_copy("nas", state="waiting", created_at=NOW - 2 * DAY), AT_RISK, ["copy-missing:nas"]),
    ("copy waits where nothing is stored", all_of(with_copy("nas", state="waiting", created_at=NOW),
        with_place("nas", enabled=False)), AT_RISK, ["copy-missing:nas"]),
    ("older copies", with_(lacking=3), AT_RISK, ["copies-missing"]),
    ("the newest lacks one", all_of(with_(lacking=1), with_copy("nas", missing_at=NOW)), AT_RISK,
        ["copy-missing:nas"]),
    ("archive lost", with_(missing=1), AT_RISK, ["archive-lost"]),
    ("archive damaged", with_(damaged=1), AT_RISK, ["archive-damaged"]),
    # keys: what a check does not say, a drill of an archive with the same keys does
    ("never checked, drilled", with_place("far", None), PROTECTED, []),
    ("never checked, the plain copy drilled", all_of(with_place("far", None), with_(opened=("", []))), AT_RISK,
        ["key-not-proven:far"]),
    ("never checked", all_of(with_place("far", None), with_(opened=None)), AT_RISK,
        ["key-not-proven:far"]),
    ("checked long ago", all_of(with_place("far", keys("opens", age=3 * DAY)), with_(opened=None)),
        AT_RISK, ["key-not-proven:far"]),
    ("checked in the future", all_of(with_place("far", keys("opens", age=-3 * DAY)), with_(opened=None)),
        AT_RISK, ["key-not-proven:far"]),
    ("kept elsewhere", all_of(with_place("far", keys("kept elsewhere")), with_(opened=None)), AT_RISK,
        ["key-not-proven:far"]),
    ("oldest does not open", with_place("far", keys("older lost", problem="No key.")), AT_RISK, ["keys-lost:far"]),
    ("newest opens here only", with_place("far", keys("newest lost", problem="No key.")), AT_RISK, ["keys-lost:far"]),
    ("newest opens nowhere", all_of(with_place("far", keys("newest lost", problem="No key.")),
        lambda facts: replace(facts, copies=facts.copies[1:])), UNPROTECTED, ["keys-lost:far"]),
    ("lost by an earlier release", with_place("far", keys(None, problem="No key.")), AT_RISK, ["keys-lost:far"]),
    # destinations
    ("retention", with_place("far", retention=RetentionPass(problem="refused")), AT_RISK, ["retention-stopped:far"]),
    ("space", with_place("far", free_bytes=2999), AT_RISK, ["space-short:far"]),
    ("enough space", with_place("far", free_bytes=3000), PROTECTED, []),
    # together: the worst level counts, the most urgent comes first
    ("several", all_of(no_proof, with_(missing=1), with_copy("far", encryption="")), AT_RISK,
        ["archive-lost", "unencrypted-off-machine:far", "never-drilled"]),
    ("late, plain and half restored", all_of(
        with_state(outlook=Freshness(a_schedule(), NOW - HOUR, automatic=1)), with_copy("far", encryption=""),
        with_(half_restored=half("applying", "applying"))), UNPROTECTED,
        ["half-restored", "overdue", "unencrypted-off-machine:far"]),
]  # fmt: skip


@pytest.mark.parametrize(("change", "level", "reasons"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_level_follows_from_the_facts(change: Change, level: Level, reasons: list[str]) -> None:
    verdict = judge(change(protected()), NOW)
    assert (verdict.level, [reason.key for reason in verdict.reasons]) == (level, reasons)
    for reason in verdict.reasons:
        # what happened, and what to do about it
        assert reason.text.endswith(".") and reason.hint.endswith(".")


def test_the_table_has_every_reason() -> None:
    assert {key.partition(":")[0] for *_, keys in CASES for key in keys} == set(CODES)


def test_the_documentation_has_every_reason_and_no_other() -> None:
    page = (PROJECT / "docs" / "monitoring.md").read_text()
    tables = re.findall(r"^\| Reason \|.*\n((?:\|.*\n)+)", page, flags=re.MULTILINE)
    listed = [re.findall(r"`([a-z-]+)`", row.split("|")[1]) for table in tables for row in table.splitlines()]
    assert {code for codes in listed for code in codes} == {*CODES, *SITE_CODES}


def test_accepting_raises_no_level_and_the_first_end_is_named() -> None:
    verdict = judge(all_of(no_proof, with_(missing=1))(protected()), NOW)
    first, second = (Acceptance("a lab", date(2027, month, 1), "bob", NOW, AT_RISK) for month in (3, 2))
    lost, never = verdict.reasons
    half = replace(verdict, reasons=(replace(lost, accepted=first), never))
    whole = replace(verdict, reasons=(replace(lost, accepted=first), replace(never, accepted=second)))
    assert (half.label, half.open_reasons) == ("At risk", [never])
    assert (whole.level, whole.label) == (AT_RISK, "At risk (accepted until 2027-02-01)")
