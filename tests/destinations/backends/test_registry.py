from pathlib import Path

import pytest

from destinations.backends import TYPES, create_destination, type_choices
from destinations.backends.local import LocalDestination
from destinations.exceptions import DestinationConfigError
from tests.support.secret_destination import KEY, PASSWORD


def test_every_type_is_registered_under_its_own_name() -> None:
    assert {name: backend.type for name, backend in TYPES.items()} == {name: name for name in TYPES}
    assert ("local", "Local folder") in type_choices()


def test_a_destination_is_made_from_its_type_and_options(backup_root: Path) -> None:
    with create_destination("local", {"path": "nas"}) as destination:
        assert isinstance(destination, LocalDestination)
        assert destination.location() == str(backup_root / "nas")
        assert not destination.off_box


def test_an_unknown_type_is_refused_and_the_known_ones_named() -> None:
    with pytest.raises(DestinationConfigError, match="no destination type 'floppy'") as caught:
        create_destination("floppy", {})
    assert "local" in caught.value.hint


def test_an_unknown_option_is_refused_and_the_known_ones_named(backup_root: Path) -> None:
    with pytest.raises(DestinationConfigError, match="type 'local' has no option 'host'") as caught:
        create_destination("local", {"path": "nas", "host": "x"})
    assert (caught.value.option, caught.value.hint) == ("host", "Its options are: path, append_only.")


@pytest.mark.parametrize("config", [{}, {"path": ""}, {"path": None}])
def test_a_missing_option_is_refused(backup_root: Path, config: dict[str, object]) -> None:
    with pytest.raises(
        DestinationConfigError, match="option 'path' of a destination of type 'local' is wrong"
    ) as caught:
        create_destination("local", config)
    assert caught.value.option == "path"
    assert caught.value.hint


@pytest.mark.usefixtures("vault_type")
def test_an_option_left_out_gets_its_initial_value(backup_root: Path) -> None:
    destination = create_destination("vault", {"path": "nas", "password": PASSWORD})
    assert destination.options == {"path": "nas", "port": 22, "password": PASSWORD, "key": ""}


@pytest.mark.usefixtures("vault_type")
def test_a_wrong_option_is_refused_and_a_wrong_secret_never_shown(backup_root: Path) -> None:
    with pytest.raises(DestinationConfigError, match=r"'port'.*less than or equal to 65535"):
        create_destination("vault", {"path": "nas", "password": PASSWORD, "port": 70000})
    with pytest.raises(DestinationConfigError, match=r"'key'.*not valid") as caught:
        create_destination("vault", {"path": "nas", "password": PASSWORD, "key": KEY.replace("BEGIN", "canary")})
    assert "canary" not in caught.value.message + caught.value.hint
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
