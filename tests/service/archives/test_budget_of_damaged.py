"""A damaged copy does not stand in for a sound one that the daily reading budget leaves unread."""

import pytest
from django.utils import timezone

from backups.errors import PutOff
from backups.models import BackupCopy
from backups.service.archives.budget import require_budget
from destinations.models import BackupDestination
from tests.support.rows import a_copy, a_destination, an_execution

pytestmark = pytest.mark.django_db


def test_a_damaged_copy_without_a_limit_is_read_only_where_no_copy_is_sound(destination: BackupDestination) -> None:
    backup = an_execution(destination=destination)
    BackupDestination.objects.filter(pk=destination.pk).update(daily_read_mb=0)
    a_copy(backup, a_destination("vault"), damaged_at=timezone.now())
    with pytest.raises(PutOff):
        require_budget(backup)
    BackupCopy.objects.filter(destination=destination).update(missing_at=timezone.now())
    require_budget(backup)
