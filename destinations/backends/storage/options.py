"""The options of the type `storage`."""

from django import forms
from django.conf import settings

from destinations.exceptions import DestinationConfigError
from destinations.transfer.paths import validate_prefix

TYPE = "storage"


def _aliases() -> list[tuple[str, str]]:
    return [(alias, alias) for alias in settings.BACKUP_STORAGE_ALIASES]


def option_fields() -> dict[str, forms.Field]:
    return {
        "alias": forms.ChoiceField(
            label="Alias",
            choices=_aliases,
            help_text="Of STORAGES in the settings, one of those that BACKUP_STORAGE_ALIASES allows"
            + ("." if settings.BACKUP_STORAGE_ALIASES else ": none yet."),
        ),
        "location": forms.CharField(
            label="Folder",
            required=False,
            max_length=500,
            help_text="Such as backups/site-1; blank for the whole storage.",
        ),
        "max_size": forms.IntegerField(
            label="Largest file",
            min_value=1,
            max_value=1024 * 1024,
            initial=1024,
            help_text="In MiB; a larger archive is refused before it is sent. Many storages hold a whole file in "
            "memory while they read it.",
        ),
    }


def check(options: dict[str, object]) -> dict[str, object]:
    """Return `options` normalised. Raises `DestinationConfigError`; nothing is read or connected to."""
    location = str(options["location"]).strip("/")
    try:
        validate_prefix(location)
    except DestinationConfigError as error:
        message = f"The option 'location' of a destination of type {TYPE!r} is wrong."
        raise DestinationConfigError(message, error.hint, "location") from None
    return options | {"location": location}
