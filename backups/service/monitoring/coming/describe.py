"""Coming and past runs as ``--json`` prints them: times in ISO 8601, durations in seconds."""

from typing import Any

from backups.runs.describe import iso
from backups.service.monitoring.coming.groups import Coming, Group
from backups.service.monitoring.coming.past import Past


def describe_coming(coming: Coming) -> dict[str, Any]:
    return {
        "since": iso(coming.since),
        "until": iso(coming.until),
        "queues": [
            {
                "queue": outlook.name,
                "slots": outlook.slots,
                "load": round(outlook.load, 3),
                "runs": outlook.runs,
                "groups": [_group(group) for group in outlook.groups],
            }
            for outlook in coming.queues
        ],
        "digests": [
            {"channel": group.names[0], "at": iso(group.first), "digest": group.cadence} for group in coming.digests
        ],
        "unplanned": [
            {"schedule": one.schedule, "instance": one.instance, "reason": one.reason} for one in coming.unplanned
        ],
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "sort": group.sort.value,
        "cadence": group.cadence,
        "schedules": sorted(set(group.names)),
        "instances": group.instances,
        "first": iso(group.first),
        "last": iso(group.last),
        "runs": group.runs,
        "runs_are_cut": group.is_cut,
        "longest_seconds": group.longest.total_seconds() if group.longest is not None else None,
        "waiting_runs": group.waits,
        "longest_wait_seconds": group.wait.total_seconds(),
        "covered_slots": group.covered,
        "outlasting": group.outlasting,
        "notes": group.notes,
    }


def describe_past(past: Past) -> dict[str, Any]:
    return {
        "since": iso(past.since),
        "until": iso(past.until),
        "groups": [
            {
                "kind": group.noun,
                "queue": group.queue,
                "cadence": group.cadence,
                "schedules": sorted(group.names),
                "instances": sorted(group.instances),
                **{what: group.counts.get(what, 0) for what in WHAT},
            }
            for group in past.groups
        ],
        "troubles": [
            {
                "what": trouble.what,
                "kind": trouble.run.noun if trouble.run is not None else None,
                "id": trouble.run.pk if trouble.run is not None else None,
                "instance": trouble.instance,
                "schedule": trouble.schedule,
                "at": iso(trouble.at),
                "count": trouble.count,
                "reason": trouble.reason,
                "hint": trouble.hint,
            }
            for trouble in past.troubles
        ],
    }


WHAT = ("completed", "failed", "interrupted", "cancelled", "running", "queued", "missed", "refused")
