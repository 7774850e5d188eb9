"""The independent watch on a host of the site: what is wrong, without a worker, a tick or a row that is written."""

from backups.service.monitoring.check_overdue.look import problems_here

__all__ = ["problems_here"]
