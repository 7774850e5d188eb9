"""A server that shows another key is noticed wherever its destination is used."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from backups.models import BackupExecution, Notice
from backups.service.archives.fetch import fetch_nearest
from backups.service.archives.records.copies import record_failed
from backups.service.keys.check import check_all, check_due
from backups.service.retention.daily import Tended, run_pass
from backups.service.retention.prune import prune_at
from backups.service.retention.rule_change import keep_rule_as_confirmed
from destinations.exceptions import ConnectionLost, DestinationError, PeerNotTrusted
from destinations.models import BackupDestination
from tests.support.pruned import ruled
from tests.support.rows import a_manifest, an_execution

pytestmark = pytest.mark.django_db
CHANGED = PeerNotTrusted("The server shows another key.", "Compare it.")


def encrypted() -> BackupExecution:
    """Return a backup that is encrypted; the rule lets the one before it go, so that its destination is opened."""
    for days in (30, 0):
        age = timedelta(days=days)
        manifest = a_manifest(timestamp_utc=(timezone.now() - age).isoformat())
        backup = an_execution("shop", age=age, manifest_json=manifest.to_dict())
    backup.copies.update(encryption="age", recipients=["age1x"])
    keep_rule_as_confirmed(destination := ruled(backup.destination, retention_days=1, min_keep=1))
    destination.save()
    return backup


USES: dict[str, Callable[[BackupExecution, Path], object]] = {
    "a test": lambda backup, _: backup.destination.test(user="ada"),
    "a due key check": lambda *_: check_due(),
    "a key check": lambda backup, _: check_all([backup.destination]),
    "a pass of retention": lambda backup, _: run_pass(backup.destination),
    "what retention tends": lambda backup, _: Tended().add_failure(backup.copies.get(), CHANGED),
    "retention after a backup": lambda backup, _: prune_at(backup, backup.destination),
    "a download": lambda backup, folder: fetch_nearest(backup, folder),
    "an upload": lambda backup, _: record_failed(backup.copies.get(), CHANGED),
}


@pytest.mark.parametrize("use", USES)
def test_another_key_of_a_server_is_noticed_once_whatever_meets_it(
    use: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = encrypted()

    def refuses(*_: object, **__: object) -> object:
        raise CHANGED

    monkeypatch.setattr(BackupDestination, "open", refuses)
    for _ in range(2):
        with suppress(DestinationError):
            USES[use](backup, tmp_path)
    notice = Notice.objects.get(event="host-key")
    assert (notice.subject, notice.text, notice.hint) == (backup.destination.name, CHANGED.message, CHANGED.hint)


def test_a_test_that_fails_for_another_reason_or_is_not_recorded_is_no_such_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    destination = an_execution("shop").destination
    errors: list[DestinationError] = [ConnectionLost("It does not answer."), CHANGED]

    def fails(*_: object, **__: object) -> object:
        raise errors.pop(0)

    monkeypatch.setattr(BackupDestination, "open", fails)
    with pytest.raises(ConnectionLost):
        destination.test(user="ada")
    # as before new options are saved
    assert destination.tested(user="ada").failure is CHANGED
    assert not Notice.objects.exists()
