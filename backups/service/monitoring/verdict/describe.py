"""Verdicts as JSON, for ``--json``, the API and whatever reads it from outside; times in ISO 8601, sizes in bytes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from backups.instances import Instance
from backups.runs.describe import iso
from backups.service.monitoring.protection import taken_at
from backups.service.monitoring.verdict.judge import Verdict
from backups.service.monitoring.verdict.reason import Reason


def describe_verdict(verdict: Verdict, instances: Mapping[str, Instance]) -> dict[str, Any]:
    """Return the verdict with what it is made of; `instances` are those of the instances file."""
    facts, until = verdict.facts, verdict.accepted_until
    good, proof = facts.good, facts.proof
    described = instances.get(verdict.instance)
    return {
        "instance": verdict.instance,
        "labels": list(described.labels) if described else [],
        "level": verdict.level.value,
        "label": verdict.label,
        "accepted_until": until.isoformat() if until else None,
        "reasons": [describe_reason(reason) for reason in verdict.reasons],
        "newest_good": good and _described_backup(good.pk, taken_at(good), good.compressed_size_bytes),
        "proven": proof
        and {
            **_described_backup(proof.execution_id, taken_at(proof.execution), proof.execution.compressed_size_bytes),
            "drill": proof.pk,
            "drilled_at": iso(proof.created_at),
            "restore_seconds": proof.seconds,
        },
        "copies": [
            {
                "destination": fact.place.name,
                "state": fact.copy.condition,
                "off_this_machine": fact.place.leaves_machine,
                "encryption": fact.copy.encryption,
            }
            for fact in facts.copies
        ],
        "next_run": iso(facts.next_run),
        "overdue_from": iso(facts.overdue_from),
    }


def describe_reason(reason: Reason) -> dict[str, Any]:
    accepted = reason.accepted
    return {
        "key": reason.key,
        "code": reason.code,
        "subject": reason.subject,
        "level": reason.level.value,
        "text": reason.text,
        "hint": reason.hint,
        "since": iso(reason.since),
        "accepted": accepted
        and {
            "text": accepted.text,
            "until": accepted.until.isoformat(),
            "by": accepted.by,
            "at": iso(accepted.at),
        },
    }


def _described_backup(pk: str, taken: datetime, size: int | None) -> dict[str, Any]:
    return {"backup": pk, "taken_at": iso(taken), "size_bytes": size}
