"""The indexes of the table of backups: for its list and filters, restore points, retention and protection."""

from django.db import models
from django.db.models import Q

from backups.models.querysets import (
    DAMAGED,
    DELETED,
    DRILLED,
    LACKS_A_COPY,
    MADE_HERE,
    MISSING,
    OPEN_DROP,
    STORED,
    WITHOUT_COPIES,
)

INDEXES = [
    models.Index(fields=["-created_at", "-id"], name="execution_newest"),
    models.Index(fields=["status", "-created_at"], name="execution_status"),
    models.Index(fields=["instance", "status", "-created_at"], name="execution_instance"),
    models.Index(fields=["destination", "kind", "status", "-created_at"], name="execution_destination"),
    # with all of the order of the list: else SQLite walks the index of the newest, all of it for what is rare
    models.Index(fields=["kind", "-created_at", "-id"], name="execution_kind"),
    models.Index(fields=["compressed_size_bytes"], name="execution_size"),
    # what waits: few, whatever statistics of the database say of a status on average
    models.Index(fields=["created_at", "instance", "owner"], condition=Q(status="queued"), name="execution_queued"),
    # the last backup that a change of configuration is compared with
    models.Index(
        fields=["instance", "-started_at"],
        condition=MADE_HERE,
        name="execution_last",
    ),
    models.Index(
        fields=["destination", "created_at"],
        condition=STORED,
        name="execution_there",
    ),
    models.Index(
        fields=["instance", "-started_at"],
        condition=OPEN_DROP,
        name="execution_open_drop",
    ),
    # Restore points and filters of the list: a column that an index lacks lies behind the manifest in the row.
    # An index that begins with the status misleads SQLite about those of other queries, unless it is partial.
    models.Index(
        fields=["instance", "status", "deleted_at", "missing_at", "-created_at", "-id"],
        name="execution_points",
    ),
    models.Index(fields=["deleted_at", "missing_at", "status", "-created_at", "-id"], name="execution_archive"),
    models.Index(fields=["encryption", "status", "-created_at", "-id"], name="execution_encryption"),
    models.Index(fields=["-created_at", "-id"], condition=DELETED, name="execution_deleted"),
    models.Index(fields=["status", "-created_at", "-id"], condition=MISSING, name="execution_missing"),
    models.Index(fields=["-created_at", "-id"], condition=DRILLED, name="execution_drilled"),
    # these three with all the columns of their conditions: SQLite would take `execution_archive`, and read all rows
    models.Index(
        fields=["deleted_at", "missing_at", "status", "damaged_at", "-created_at", "-id"],
        condition=DAMAGED,
        name="execution_damaged",
    ),
    models.Index(
        fields=["copies_state", "deleted_at", "missing_at", "damaged_at", "status", "-created_at", "-id"],
        condition=LACKS_A_COPY,
        name="execution_lacks_copy",
    ),
    models.Index(
        fields=["copies_state", "deleted_at", "status", "-created_at", "-id"],
        condition=WITHOUT_COPIES,
        name="execution_without_copies",
    ),
    models.Index(fields=["-created_at", "-id"], condition=Q(pinned=True), name="execution_pinned"),
]
