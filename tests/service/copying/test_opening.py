"""A copy looks at its destination before the archive is fetched."""

from pathlib import Path

import pytest

from backups.service.backup.run import backup_now
from backups.service.copying import kind
from backups.service.copying.run import copy_now
from destinations.backends.local import LocalDestination
from destinations.exceptions import DestinationError, DestinationFull, DestinationUnavailable
from destinations.models import BackupDestination
from tests.support.rows import a_destination

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("how", "error"), [("full", DestinationFull), ("gone", DestinationUnavailable)])
def test_an_archive_is_not_fetched_for_a_destination_that_cannot_take_it(
    small_shop: Path, destination: BackupDestination, monkeypatch: pytest.MonkeyPatch,
    how: str, error: type[DestinationError],
) -> None:  # fmt: skip
    backup, vault = backup_now("shop", destination, by="tests"), a_destination("vault")
    fetched: list[object] = []
    monkeypatch.setattr(kind, "fetch_nearest", lambda *_, **__: fetched.append(1))
    if how == "full":
        monkeypatch.setattr(LocalDestination, "free_space", lambda _: 10)
    else:
        BackupDestination.objects.filter(pk=vault.pk).update(established=True)
        vault.refresh_from_db()
    with pytest.raises(error):
        copy_now(backup, vault, by="alice")
    assert fetched == []
    assert backup.copies.get(destination=vault).state == "failed"
