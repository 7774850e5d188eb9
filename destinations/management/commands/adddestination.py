import logging
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser

from destinations.backends import destination_class
from destinations.backends.base.pins import with_accepted_pin
from destinations.exceptions import DestinationConfigError, DestinationUnavailable
from destinations.lib.operator_error import sentences
from destinations.management.base import OperatorCommand, operator_name
from destinations.models import BackupDestination, DestinationTest
from destinations.policies.encryption_policy import Policy
from destinations.policies.retention_fields import NUMBER_COLUMNS, RETENTION_COLUMNS, Strategy
from destinations.providers import warnings_about

logger = logging.getLogger(__name__)


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


class Command(OperatorCommand):
    help = "Add a destination for archives."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--type", required=True, help="such as local")
        parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="an option of the type")
        parser.add_argument(
            "--option-file",
            action="append",
            default=[],
            metavar="KEY=PATH",
            help="the same from a file (secrets)",
        )
        parser.add_argument(
            "--encryption",
            choices=[policy.value for policy in Policy],
            default="",
            help="default: required off this machine, else allowed",
        )
        parser.add_argument(
            "--retention-strategy", choices=[rule.value for rule in Strategy], default="", help="see docs/retention.md"
        )
        help_texts = {field.name: str(field.help_text) for field in BackupDestination._meta.fields}
        for column in NUMBER_COLUMNS:
            parser.add_argument(f"--{column.replace('_', '-')}", type=int, metavar="N", help=help_texts[column])
        parser.add_argument(
            "--accept-host-key",
            default="",
            metavar="FINGERPRINT",
            help="pin the key that the server shows, if it has this fingerprint (SHA256:...); without it the key is "
            "shown and nothing is added",
        )
        parser.add_argument("--disabled", action="store_true", help="take no backups there yet")
        parser.add_argument(
            "--untested", action="store_true", help="add it, disabled, though it cannot be reached from here now"
        )

    def run(self, **options: Any) -> None:
        destination = BackupDestination(
            name=options["name"],
            type=options["type"],
            enabled=not (options["disabled"] or options["untested"]),
            encryption=options["encryption"],
            **{column: options[column] for column in RETENTION_COLUMNS},
            created_by=operator_name(),
        )
        given: dict[str, object] = {**parse_options(options["option"]), **read_options(options["option_file"])}
        accepted = options["accept_host_key"]
        # a server that cannot be reached now shows no key either
        if accepted or not options["untested"]:
            given = with_accepted_pin(
                destination_class(options["type"]),
                given,
                accepted,
                how="Then run this again and give it with --accept-host-key.",
            )
        destination.configure(given)
        validate_new(destination)
        result = None if options["untested"] else require_working(destination)
        destination.save(force_insert=True)
        if result is not None:
            result.save()
        logger.info("destination created name=%s user=%s", destination.name, destination.created_by)
        location = destination.place().location()
        warnings = warnings_about(destination)
        self.respond(
            {
                "id": destination.id,
                "name": destination.name,
                "type": destination.type,
                "enabled": destination.enabled,
                "encryption": destination.policy,
                **{column: getattr(destination, column) for column in RETENTION_COLUMNS},
                "location": location,
                "tested": not options["untested"],
                "warnings": warnings,
            },
            "\n".join(
                [
                    f"Added destination {destination.name} ({destination.get_type_display()}) at {location}.",
                    *(f"Warning: {warning}" for warning in warnings),
                    f"Test and enable it: manage.py testdestination {destination.name} --enable"
                    if options["untested"]
                    else "A test file was written there, read back and deleted.",
                ]
            ),
        )


def require_working(destination: BackupDestination) -> DestinationTest:
    """Return the test of `destination`, which is not saved yet. Raises DestinationUnavailable when it failed."""
    result = destination.tested(user=destination.created_by)
    if (error := result.failure) is not None:
        raise DestinationUnavailable(
            sentences(f"Destination {destination.name!r} was not added, because its test failed.", error.message),
            sentences(error.hint, "With --untested it is added as it is, disabled."),
        ) from error
    return result


def validate_new(destination: BackupDestination) -> None:
    try:
        destination.full_clean()
    except ValidationError as error:
        reasons = " ".join(
            message if field == "__all__" else f"{field}: {message}"
            for field, messages in error.message_dict.items()
            for message in messages
        )
        raise DestinationConfigError(
            sentences(f"Destination {destination.name!r} cannot be added.", reasons), "Nothing was changed."
        ) from error
