"""Secret options at rest: sealed with Fernet under `settings.BACKUP_SECRETS_KEY`.

The first key seals and every key unseals, so a key is rotated by putting a new one in front.
"""

from collections.abc import Container, Mapping, Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.dispatch import Signal

from destinations.backends import destination_class
from destinations.exceptions import DestinationConfigError
from destinations.lib.redaction import remember

PREFIX = "sealed:"

# sent by `rotatesecrets`: a receiver seals its own secrets again under the first key of BACKUP_SECRETS_KEY, and raises
# DestinationConfigError for those that no key opens
secrets_rotated = Signal()


def _keys() -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in settings.BACKUP_SECRETS_KEY])
    except ValueError:
        raise DestinationConfigError(
            "BACKUP_SECRETS_KEY does not hold valid keys.", "Run 'manage.py check' and follow its hint."
        ) from None


def seal(value: str) -> str:
    return PREFIX + _keys().encrypt(value.encode()).decode("ascii")


def unseal(value: str) -> str:
    """Raises `ValueError`, without the value, for what `seal` did not make under one of the keys."""
    if not value.startswith(PREFIX):
        raise ValueError("not a sealed value")
    try:
        plain = _keys().decrypt(value.removeprefix(PREFIX)).decode()
    except InvalidToken:
        raise ValueError("no key opens this sealed value") from None
    # libraries quote options in their errors: from now on it is redacted
    remember(plain)
    return plain


def opens(value: str, keys: Sequence[str]) -> bool:
    """Return whether one of `keys`, which need not be those of this site, opens what `seal` made."""
    try:
        MultiFernet([Fernet(key) for key in keys]).decrypt(value.removeprefix(PREFIX))
    except (InvalidToken, ValueError):
        return False
    return True


def seal_key(key: bytes) -> bytes:
    """Seal a key that seals something larger, so that a rotation seals only the key again."""
    return _keys().encrypt(key)


def unseal_key(sealed: bytes) -> bytes:
    """Raises `ValueError` for what `seal_key` did not make under one of the keys."""
    try:
        return _keys().decrypt(sealed)
    except InvalidToken:
        raise ValueError("no key opens this sealed key") from None


def reseal_key(sealed: bytes) -> bytes:
    """Return the same under the first key. Raises `ValueError` as `unseal_key`."""
    return seal_key(unseal_key(sealed))


def seal_options(options: Mapping[str, object], secret: Container[str]) -> dict[str, object]:
    """Return `options` with those that are `secret` sealed, those left blank excepted."""
    return {
        option: seal(str(value)) if option in secret and value not in (None, "") else value
        for option, value in options.items()
    }


def unseal_options(options: Mapping[str, object], secret: Container[str], *, of: str) -> dict[str, object]:
    """Return `options` in plain text. Raises `DestinationConfigError` naming the option and whose it is, `of`."""
    plain = dict(options)
    for option, value in options.items():
        if option not in secret or value in (None, ""):
            continue
        try:
            plain[option] = unseal(str(value))
        except ValueError:
            raise DestinationConfigError(
                f"The secret option {option!r} of {of} cannot be read.",
                "Restore the key it was sealed with to BACKUP_SECRETS_KEY, or enter the secret again.",
                option,
            ) from None
    return plain


def seal_config(type: str, config: Mapping[str, object]) -> dict[str, object]:
    """Return `config` with the secret options of a destination of `type` sealed, those left blank excepted."""
    return seal_options(config, destination_class(type).secret_options)


def unseal_config(type: str, config: Mapping[str, object], *, name: str) -> dict[str, object]:
    """Return `config` in plain text. Raises `DestinationConfigError` naming the option and the destination `name`."""
    return unseal_options(config, destination_class(type).secret_options, of=f"destination {name!r}")
