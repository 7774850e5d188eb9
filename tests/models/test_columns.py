"""The JSON columns hold what `models.columns` says, no key more and none less."""

import pytest

from backups.models import BackupExecution
from backups.models.columns import ComponentOutcome, Counts, DrillResult, DropEntry, HookNote
from backups.service.drill.run import drill
from backups.service.drops.entries import entry_of
from backups.service.drops.episodes import confirm_drop, drops_of
from backups.service.drops.holdings import Drop, Kind
from tests.support.restores.instance_restores import restore
from tests.support.site_fixtures import BackUp

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tacacs_root")]

DROP = Drop("devices", "sessions", "rows", 40, 0)
GROWN = Drop("devices", "", "bytes", 9, 90, Kind.GROWN, 80, 20)


def test_a_drill_keeps_its_counts_in_the_run_and_its_result_with_the_backup(back_up: BackUp) -> None:
    backup = back_up()
    run = drill(backup, by="tests")
    assert set(run.findings) == set(Counts.__annotations__)
    kept = BackupExecution.objects.get(pk=backup.pk).drill
    assert kept is not None and set(kept) == set(DrillResult.__annotations__)


def test_a_restore_says_what_became_of_each_component(back_up: BackUp) -> None:
    done = restore(back_up())
    assert done.outcome
    assert {frozenset(note) for note in done.outcome.values()} == {ComponentOutcome.__required_keys__}
    assert all(set(note) == set(HookNote.__annotations__) for note in done.hook_output)


def test_a_backup_keeps_every_layer_of_its_configuration_and_its_environment(back_up: BackUp) -> None:
    kept = back_up().config_json
    assert kept is not None and set(kept) == {"environment", "file", "overrides"}


def test_a_drop_is_read_as_it_was_kept_and_gets_who_confirmed_it(back_up: BackUp) -> None:
    backup = back_up()
    BackupExecution.objects.filter(pk=backup.pk).update(drops=[entry_of(DROP), entry_of(GROWN)])
    backup.refresh_from_db()
    assert backup.drops is not None and set(backup.drops[0]) == DropEntry.__required_keys__
    assert drops_of(backup) == [(DROP, ""), (GROWN, "")]
    confirm_drop(backup, by="alice")
    backup.refresh_from_db()
    assert set(backup.drops[1]) == set(DropEntry.__annotations__)
    assert drops_of(backup) == [(DROP, "alice"), (GROWN, "alice")]
