"""The keywords of the signals: the row under the name of what it is, and under its former name `execution`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backups.service.drill.run import drill, verify_backup
from backups.signals import data_dropped, drill_finished, execution_finished, verification_finished
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db
SIGNALS = {
    "finished": execution_finished,
    "drill": drill_finished,
    "verification": verification_finished,
    "dropped": data_dropped,
}


@pytest.fixture
def sent() -> Iterator[dict[str, dict[str, Any]]]:
    """Collect the keywords of the last one of each signal."""
    found: dict[str, dict[str, Any]] = {}
    receivers = []
    for name, signal in SIGNALS.items():

        def note(name: str = name, **keywords: Any) -> None:
            found[name] = keywords

        signal.connect(note, weak=False)
        receivers.append((signal, note))
    yield found
    for signal, receiver in receivers:
        signal.disconnect(receiver)


def test_a_signal_has_the_row_under_its_name_and_as_execution(
    small_shop: Path, back_up: BackUp, sent: dict[str, dict[str, Any]]
) -> None:
    backup = back_up("shop")
    assert sent["finished"]["run"] == sent["finished"]["execution"] == backup
    run = drill(backup, by="tests")
    assert sent["finished"]["run"] == sent["finished"]["execution"] == sent["drill"]["drill"] == run
    assert sent["drill"]["backup"] == sent["drill"]["execution"] == backup
    verify_backup(backup, by="tests")
    assert sent["verification"]["backup"] == sent["verification"]["execution"] == backup


def test_a_drop_names_the_backup(small_shop: Path, back_up: BackUp, sent: dict[str, dict[str, Any]]) -> None:
    back_up("shop")
    for path in (small_shop / "uploads").rglob("*"):
        path.unlink()
    backup = back_up("shop")
    assert backup.open_drop
    assert sent["dropped"]["backup"] == sent["dropped"]["execution"] == backup
