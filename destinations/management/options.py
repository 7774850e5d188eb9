"""What commands about one destination share: finding it, its arguments, and what is checked before it is saved."""

from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser

from destinations.exceptions import DestinationConfigError, NotFound
from destinations.lib.operator_error import sentences
from destinations.models import BackupDestination
from destinations.policies.encryption_policy import Policy


def add_shared_options(parser: CommandParser) -> None:
    parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="an option of the type")
    parser.add_argument(
        "--option-file", action="append", default=[], metavar="KEY=PATH", help="the same from a file (secrets)"
    )
    parser.add_argument(
        "--encryption",
        choices=[policy.value for policy in Policy],
        help="default: required off this machine, else allowed",
    )
    parser.add_argument("--position", type=int, metavar="N", help=str(_field("position").help_text))
    parser.add_argument("--daily-read-mb", type=int, metavar="N", help=str(_field("daily_read_mb").help_text))
    parser.add_argument(
        "--accept-host-key",
        default="",
        metavar="FINGERPRINT",
        help="pin the key that the server shows, if it has this fingerprint (SHA256:...); without it the key is "
        "shown and nothing is saved",
    )


def _field(name: str) -> Any:
    return BackupDestination._meta.get_field(name)


def find_destination(name: str) -> BackupDestination:
    """Return the destination of that name. Raises `NotFound`, which lists those that there are."""
    destination = BackupDestination.objects.filter(name=name).first()
    if destination is None:
        names = ", ".join(BackupDestination.objects.values_list("name", flat=True)) or "none yet"
        raise NotFound(f"There is no destination {name!r}.", f"The destinations are: {names}.")
    return destination


def given_options(options: dict[str, Any]) -> dict[str, object]:
    """Return the options of the type from the command line and from files. Raises `DestinationConfigError`."""
    return {**parse_options(options["option"]), **read_options(options["option_file"])}


def parse_options(pairs: list[str]) -> dict[str, str]:
    """Return `KEY=VALUE` pairs as a dict. Raises `DestinationConfigError`, which never repeats a value."""
    options: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or key in options:
            # the pair itself is not repeated: without '=' it may be a secret
            problem = f"The option {key!r} is given twice." if equals else "An option has no '='."
            raise DestinationConfigError(problem, "Write each option once, as key=value.")
        options[key] = value
    return options


def read_options(pairs: list[str]) -> dict[str, str]:
    """Return `KEY=PATH` pairs with the text of each file, without its last line break."""
    return {key: _read(key, Path(path)) for key, path in parse_options(pairs).items()}


def _read(key: str, path: Path) -> str:
    try:
        return path.read_text().removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DestinationConfigError(
            # the text of a UnicodeDecodeError quotes the file, which holds a secret
            f"The file {path} for the option {key!r} cannot be read: {type(error).__name__}.",
            "Give the path of a readable text file.",
        ) from error


def validate(destination: BackupDestination, what: str) -> None:
    """Raise `DestinationConfigError`, which says that it cannot be `what`, unless `destination` is valid."""
    try:
        destination.full_clean()
    except ValidationError as error:
        reasons = " ".join(
            message if field == "__all__" else f"{field}: {message}"
            for field, messages in error.message_dict.items()
            for message in messages
        )
        raise DestinationConfigError(
            sentences(f"Destination {destination.name!r} cannot be {what}.", reasons), "Nothing was changed."
        ) from error
