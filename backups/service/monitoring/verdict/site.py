"""Causes that concern the whole site, from rows only: no destination is asked."""

from backups.instances import inventory
from backups.models import KeyCheck
from backups.service.monitoring.verdict.level import Level
from backups.service.monitoring.verdict.reason import Reason
from backups.service.monitoring.workers import worker_state


def site_reasons() -> list[Reason]:
    """Return what is wrong with the site, the most urgent first."""
    reasons = [
        Reason("instances-file-broken", Level.UNPROTECTED, problem.message, problem.hint)
        for problem in inventory().problems
        if not problem.instance
    ]
    reasons += [
        Reason("worker-silent", Level.AT_RISK, problem.message, problem.hint, problem.queue)
        for problem in worker_state().problems
    ]
    reasons += [
        Reason("keys-lost", Level.UNPROTECTED, check.problem, check.hint, check.destination.name, check.checked_at)
        for check in KeyCheck.objects.exclude(problem="").select_related("destination")
    ]
    return reasons
