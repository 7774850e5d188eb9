import pytest
from cryptography.fernet import Fernet
from pytest_django import Settings

from destinations.exceptions import DestinationConfigError
from destinations.secrets import PREFIX, seal, seal_config, unseal, unseal_config
from tests.support.secret_destination import KEY, PASSWORD

pytestmark = pytest.mark.usefixtures("vault_type")


def test_a_sealed_value_is_recognisable_and_opens_again() -> None:
    sealed = seal(PASSWORD)
    assert sealed.startswith(PREFIX)
    assert PASSWORD not in sealed
    assert unseal(sealed) == PASSWORD
    assert seal(PASSWORD) != sealed


def test_only_the_secret_options_are_sealed_and_blank_ones_stay_blank() -> None:
    config = {"path": "nas", "port": 22, "password": PASSWORD, "key": ""}
    sealed = seal_config("vault", config)
    assert (sealed["path"], sealed["port"], sealed["key"]) == ("nas", 22, "")
    assert PASSWORD not in str(sealed)
    assert unseal_config("vault", sealed, name="offsite") == config


def test_a_new_key_in_front_seals_and_the_old_one_still_opens(settings: Settings) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.BACKUP_SECRETS_KEY = [old]
    before = seal(PASSWORD)
    settings.BACKUP_SECRETS_KEY = [new, old]
    after = seal(PASSWORD)
    assert unseal(before) == PASSWORD
    settings.BACKUP_SECRETS_KEY = [new]
    assert unseal(after) == PASSWORD
    with pytest.raises(ValueError, match="no key opens"):
        unseal(before)


@pytest.mark.parametrize("stored", ["sealed:damaged", "sealed:", KEY, "lost key"])
def test_an_unreadable_secret_names_the_option_and_the_destination_and_never_the_value(
    settings: Settings, stored: str
) -> None:
    if stored == "lost key":
        stored = seal(PASSWORD)
        settings.BACKUP_SECRETS_KEY = [Fernet.generate_key().decode()]
    with pytest.raises(DestinationConfigError) as caught:
        unseal_config("vault", {"path": "nas", "password": stored}, name="offsite")
    assert caught.value.message == "The secret option 'password' of destination 'offsite' cannot be read."
    assert "BACKUP_SECRETS_KEY" in caught.value.hint
    assert stored not in caught.value.message + caught.value.hint


def test_malformed_keys_are_an_error_that_does_not_show_them(settings: Settings) -> None:
    settings.BACKUP_SECRETS_KEY = ["canary-not-a-key"]
    with pytest.raises(DestinationConfigError, match="BACKUP_SECRETS_KEY") as caught:
        seal(PASSWORD)
    assert "canary" not in caught.value.message + caught.value.hint
