from typing import Any

from backups.outside.management.base import CheckOverdue
from backups.outside.problem import Problem
from backups.service.monitoring.check_overdue import problems_here


class Command(CheckOverdue):
    def look(self, **options: Any) -> list[Problem]:
        return super().look(**options) if options["url"] else problems_here(options["timeout"])
