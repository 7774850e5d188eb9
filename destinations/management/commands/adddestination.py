import logging
from typing import Any

from django.core.management.base import CommandParser

from destinations.backends import destination_class
from destinations.backends.base.pins import with_accepted_pin
from destinations.exceptions import DestinationUnavailable
from destinations.lib.operator_error import sentences
from destinations.management.base import OperatorCommand, operator_name
from destinations.management.options import add_shared_options, given_options, validate
from destinations.models import BackupDestination, DestinationTest
from destinations.policies.retention_fields import NUMBER_COLUMNS, RETENTION_COLUMNS, Strategy
from destinations.providers import warnings_about

logger = logging.getLogger(__name__)


class Command(OperatorCommand):
    help = "Add a destination for archives."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--type", required=True, help="such as local")
        add_shared_options(parser)
        parser.add_argument(
            "--retention-strategy", choices=[rule.value for rule in Strategy], default="", help="see docs/retention.md"
        )
        help_texts = {field.name: str(field.help_text) for field in BackupDestination._meta.fields}
        for column in NUMBER_COLUMNS:
            parser.add_argument(f"--{column.replace('_', '-')}", type=int, metavar="N", help=help_texts[column])
        parser.add_argument("--disabled", action="store_true", help="take no backups there yet")
        parser.add_argument(
            "--untested", action="store_true", help="add it, disabled, though it cannot be reached from here now"
        )

    def run(self, **options: Any) -> None:
        destination = BackupDestination(
            name=options["name"],
            type=options["type"],
            enabled=not (options["disabled"] or options["untested"]),
            encryption=options["encryption"] or "",
            position=options["position"] or 0,
            daily_read_mb=options["daily_read_mb"],
            **{column: options[column] for column in RETENTION_COLUMNS},
            created_by=operator_name(),
        )
        given = given_options(options)
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
        validate(destination, "added")
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
                "position": destination.position,
                "daily_read_mb": destination.daily_read_mb,
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
