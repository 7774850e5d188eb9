"""How many backups lack a copy that they were made with: in one query."""

from django.db.models import Count

from backups.models import BackupExecution
from backups.models.querysets import LACKS_A_COPY


def lacking_by_instance() -> dict[str, int]:
    """Return how many backups of each instance lack a copy that they were made with."""
    rows = BackupExecution.objects.filter(LACKS_A_COPY).order_by()
    return dict(rows.values_list("instance").annotate(Count("pk")))
