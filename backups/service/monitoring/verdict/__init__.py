"""The verdict on each instance: how well it is protected, and why, from facts that the rows hold."""

from backups.service.monitoring.verdict.describe import describe_reason, describe_verdict
from backups.service.monitoring.verdict.facts import Facts
from backups.service.monitoring.verdict.gather import facts_of, require_known, watched_names
from backups.service.monitoring.verdict.judge import Verdict, judge
from backups.service.monitoring.verdict.level import Level, worst
from backups.service.monitoring.verdict.limits import Limits
from backups.service.monitoring.verdict.reason import Acceptance, Reason
from backups.service.monitoring.verdict.site import site_reasons
from backups.service.monitoring.verdict.verdicts import verdicts

__all__ = [
    "Acceptance",
    "Facts",
    "Level",
    "Limits",
    "Reason",
    "Verdict",
    "describe_reason",
    "describe_verdict",
    "facts_of",
    "judge",
    "require_known",
    "site_reasons",
    "verdicts",
    "watched_names",
    "worst",
]
