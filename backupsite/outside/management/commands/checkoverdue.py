from backups.outside.management.base import CheckOverdue


class Command(CheckOverdue):
    pass
