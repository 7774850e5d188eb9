"""What ANALYZE of SQLite says of a long history: 200 instances, 100,000 backups, 190,000 copies, 19,000 drills."""

from django.db import connection

STATISTICS = {
    "backup_copies": {
        "copy_at_destination": "189942 9498 4749",
        "one_copy_per_archive": "37194 1860 1",
        "one_copy_per_path": "37194 1860 1",
        "sqlite_autoindex_backup_copies_1": "189942 1",
        "sqlite_autoindex_backup_copies_2": "189942 2 1",
    },
    "backup_executions": {
        "execution_archive": "100020 2 2 2 1 1",
        "execution_deleted": "76374 1 1",
        "execution_destination": "100020 5001 1251 323 1",
        "execution_drilled": "3067 1 1",
        "execution_encryption": "100020 50010 16670 1 1",
        "execution_instance": "100020 501 123 1",
        "execution_kind": "100020 25005 1",
        "execution_last": "94040 471 1",
        "execution_newest": "100020 1 1",
        "execution_pinned": "193 1 1",
        "execution_points": "100020 501 123 2 2 1 1",
        "execution_size": "100020 2",
        "execution_status": "100020 16670 1",
        "execution_there": "18597 930 930 930 930 1",
        "one_backup_per_archive": "18597 930 1",
        "one_execution_per_archive": "18597 930 1",
        "one_running_execution_per_instance": "5 1",
        "one_waiting_manual_backup": "15 1 1",
        "sqlite_autoindex_backup_executions_1": "100020 1",
        "sqlite_autoindex_backup_executions_2": "100020 498 2 2",
    },
    "drill_executions": {
        "drill_executions_execution_id_a2d9f4dc": "18956 1",
        "drill_instance": "18956 474 474 1 1",
        "drill_newest": "18956 1 1",
        "drill_status": "18956 4739 1",
        "sqlite_autoindex_drill_executions_1": "18956 1",
    },
}


def pretend_a_long_history() -> None:
    """Let SQLite plan in this transaction as after ANALYZE of that history; the rows may be few."""
    rows = [(table, index, stat) for table, indexes in STATISTICS.items() for index, stat in indexes.items()]
    with connection.cursor() as cursor:
        # makes the table
        cursor.execute("ANALYZE")
        cursor.execute("DELETE FROM sqlite_stat1")
        cursor.executemany("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (%s, %s, %s)", rows)
        cursor.execute("ANALYZE sqlite_schema")
