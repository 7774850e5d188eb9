"""The signature of a backup with several copies: any of them proves the archive."""

from pathlib import Path

import pytest
from pytest_django import Settings

from backups.models import BackupExecution
from backups.service.archives.fetch import fetch_nearest
from backups.service.archives.signatures import State, signature_of_fetched, signature_state
from backups.service.backup.run import backup_now
from tests.support.archives.stored import signature_of
from tests.support.restores.instance_restores import restore
from tests.support.rows import a_destination

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pair(shop: Path) -> BackupExecution:
    return backup_now("shop", [a_destination("nas", position=1), a_destination("vault", position=2)], by="tests")


@pytest.mark.parametrize("spoilt", ["missing", "of another archive"])
def test_the_signature_of_another_copy_is_taken(
    pair: BackupExecution, spoilt: str, settings: Settings, tmp_path: Path
) -> None:
    if spoilt == "missing":
        signature_of(pair).unlink()
    else:
        signature_of(pair).write_bytes(signature_of(backup_now("shop", pair.destination, by="tests")).read_bytes())
    fetched = fetch_nearest(pair, tmp_path)
    assert fetched.copy.destination.name == "nas"
    assert signature_of_fetched(pair, fetched).state is State.SIGNED
    # before it is fetched, as a page says it
    assert signature_state(pair).state is State.SIGNED
    assert restore(pair).status == "completed"
