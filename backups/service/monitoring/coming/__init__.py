"""Coming runs: what is due in the next 24 hours, how it fits into each queue, and what became of the last 24."""

from backups.service.monitoring.coming.describe import describe_coming, describe_past
from backups.service.monitoring.coming.groups import Coming, Group, Sort, Unplanned
from backups.service.monitoring.coming.past import Past, PastGroup, Trouble, past_runs
from backups.service.monitoring.coming.plan import coming_runs

__all__ = [
    "Coming",
    "Group",
    "Past",
    "PastGroup",
    "Sort",
    "Trouble",
    "Unplanned",
    "coming_runs",
    "describe_coming",
    "describe_past",
    "past_runs",
]
