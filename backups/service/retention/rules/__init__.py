"""Which backups go, and why each other one stays.

Pure functions: rows become `Backup` values, `decide` returns one `Decision` for each, and nothing is deleted here.
docs/retention.md is the page for operators.
"""

from backups.service.retention.rules.backup import Backup, Decision, agreed_date, reclaimed_bytes
from backups.service.retention.rules.decide import decide
from destinations.policies.retention_rule import SETTINGS_OF, RetentionError, Rule

__all__ = [
    "SETTINGS_OF",
    "Backup",
    "Decision",
    "RetentionError",
    "Rule",
    "agreed_date",
    "decide",
    "reclaimed_bytes",
]
