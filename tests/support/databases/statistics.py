"""What ANALYZE of SQLite says of a long history: 200 instances, 100,000 backups, 140,000 copies, 19,000 drills.

Of an index without an entry it says nothing: no row has its condition. Drills have four statuses: where all of them
have one, SQLite reads all drills for those that are running.
"""

from django.db import connection

STATISTICS = {
    "backup_copies": {
        "copy_at_destination": "142458 7123 3562",
        "copy_deleted": "108894 2 1 1",
        "copy_encryption": "142458 2 2",
        "copy_stored": "142458 2 1 1",
        "copy_usage": "33564 1679 1679 1679 1679 1 1",
        "one_copy_per_archive": "33564 1679 1",
        "one_copy_per_path": "33564 1679 1",
        "sqlite_autoindex_backup_copies_1": "142458 1",
        "sqlite_autoindex_backup_copies_2": "142458 2 1",
    },
    "backup_deliveries": {
        "delivery_channel": "20000 10000 1 1",
        "delivery_newest": "20000 1 1",
        "sqlite_autoindex_backup_deliveries_1": "20000 1",
    },
    "backup_executions": {
        "execution_archive": "100020 2 2 2 1 1",
        "execution_deleted": "72572 1 1",
        "execution_destination": "100020 5001 1251 323 1",
        "execution_drilled": "3071 1 1",
        "execution_encryption": "100020 50010 16670 1 1",
        "execution_instance": "100020 501 123 1",
        "execution_kind": "100020 25005 1 1",
        "execution_last": "94042 471 1",
        "execution_newest": "100020 1 1",
        "execution_pinned": "193 1 1",
        "execution_points": "100020 501 123 2 2 1 1",
        "execution_queued": "15 15 1 1",
        "execution_size": "100020 2",
        "execution_status": "100020 16670 1",
        "execution_there": "22400 1120 1",
        "one_backup_per_archive": "22400 1120 1",
        "one_execution_per_archive": "22400 1120 1",
        "one_running_execution_per_instance": "5 1",
        "one_waiting_manual_backup": "15 1 1",
        "sqlite_autoindex_backup_executions_1": "100020 1",
        "sqlite_autoindex_backup_executions_2": "100020 498 2 2",
    },
    "backup_notices": {
        "notice_instance": "20000 100 1",
        "notice_newest": "20000 1 1",
        "one_open_notice_per_cause": "20 1 1 1",
        "sqlite_autoindex_backup_notices_1": "20000 1",
    },
    "copy_executions": {
        "copying_instance": "5000 25 1 1",
        "copying_newest": "5000 1 1",
        "copying_of": "5000 1 1",
        "copying_status": "5000 2500 1 1",
        "sqlite_autoindex_copy_executions_1": "5000 1",
    },
    "django_admin_log": {
        "django_admin_log_content_type_id_c4bce8eb": "20000 20000",
        "django_admin_log_user_id_c564eba6": "20000 20000",
    },
    "drill_executions": {
        "drill_executions_execution_id_a2d9f4dc": "18956 1",
        "drill_instance": "18956 474 474 1 1",
        "drill_newest": "18956 1 1",
        "drill_status": "18956 4739 1 1",
        "sqlite_autoindex_drill_executions_1": "18956 1",
    },
    "restore_executions": {
        "restore_executions_execution_id_6692f547": "2000 1",
        "restore_executions_safety_backup_id_cc43e59b": "2000 2000",
        "restore_executions_undo_of_id_9a20aa08": "2000 2000",
        "restore_instance": "2000 10 8 1",
        "restore_newest": "2000 1 1",
        "sqlite_autoindex_restore_executions_1": "2000 1",
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
