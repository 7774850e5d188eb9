import logging
from typing import Any

from django.core.management.base import CommandParser

from destinations.backends import destination_class
from destinations.backends.base.pins import with_accepted_pin
from destinations.exceptions import DestinationConfigError, DestinationUnavailable
from destinations.lib.operator_error import sentences
from destinations.management.base import OperatorCommand, operator_name
from destinations.management.options import add_shared_options, find_destination, given_options, validate
from destinations.models import BackupDestination
from destinations.providers import warnings_about

logger = logging.getLogger(__name__)


class Command(OperatorCommand):
    help = "Change options, order, reading budget or encryption of a destination; the other values stay as they are."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        add_shared_options(parser)
        parser.add_argument("--no-daily-read-limit", action="store_true", help="remove the daily reading budget")
        parser.add_argument(
            "--untested", action="store_true", help="save other options, and disable it, without the test"
        )

    def run(self, **options: Any) -> None:
        name = options["name"]
        destination = find_destination(name)
        if destination.managed_by:
            raise DestinationConfigError(
                f"Destination {name} is declared in the {destination.managed_by}.", "Change it there."
            )
        if options["no_daily_read_limit"] and options["daily_read_mb"] is not None:
            raise DestinationConfigError(
                "--daily-read-mb and --no-daily-read-limit contradict each other.", "Give one."
            )
        wanted = {column: options[column] for column in ("encryption", "position", "daily_read_mb")}
        changes: dict[str, object] = {column: value for column, value in wanted.items() if value is not None}
        if options["no_daily_read_limit"]:
            changes["daily_read_mb"] = None
        given = given_options(options)
        if not (changes or given or options["accept_host_key"]):
            raise DestinationConfigError("Nothing to change was given.", "Give at least one option.")
        for column, value in changes.items():
            setattr(destination, column, value)
        result = None
        saved = list(changes)
        reconfigured = bool(given or options["accept_host_key"])
        if reconfigured:
            was_append_only = destination.append_only
            self._reconfigure(destination, given, options["accept_host_key"])
            saved.append("config_json")
            if was_append_only and not destination.append_only:
                # from now on its rule deletes, once that is confirmed
                saved.append("confirmed_rule")
        was_established = destination.established
        # refuses a place that would leave archives behind; the new one may be empty
        validate(destination, "changed")
        if destination.established != was_established:
            saved.append("established")
        if reconfigured:
            if options["untested"]:
                destination.enabled = False
                saved.append("enabled")
            else:
                result = destination.tested(user=operator_name())
                if (error := result.failure) is not None:
                    raise DestinationUnavailable(
                        sentences(f"Destination {name!r} was not changed, because its test failed.", error.message),
                        sentences(error.hint, "With --untested it is changed as it is, and disabled."),
                    ) from error
        # the test takes minutes: what others changed meanwhile stays
        destination.save(update_fields=saved)
        destination.refresh_from_db(fields=["enabled", "established"])
        if result is not None:
            result.save()
        changed = sorted([*changes, *given])
        logger.info("destination changed name=%s user=%s fields=%s", name, operator_name(), ",".join(changed))
        warnings = warnings_about(destination)
        self.respond(
            {
                "name": name,
                "enabled": destination.enabled,
                "encryption": destination.policy,
                "position": destination.position,
                "daily_read_mb": destination.daily_read_mb,
                "location": destination.place().location(),
                "changed": changed,
                "tested": result is not None,
                "warnings": warnings,
            },
            "\n".join(
                [
                    f"Changed destination {name}: {', '.join(changed) or 'the key of its server'}.",
                    *(f"Warning: {warning}" for warning in warnings),
                    *([] if destination.enabled else [f"It is disabled: manage.py testdestination {name} --enable"]),
                ]
            ),
        )

    def _reconfigure(self, destination: BackupDestination, given: dict[str, object], accepted: str) -> None:
        """Take the options in `given`, and those that are stored for the others; pin the key that was accepted."""
        backend = destination_class(destination.type)
        options = destination.options() | given
        if accepted and backend.pinned_option:
            options[backend.pinned_option] = ""
            how = "Then run this again and give it with --accept-host-key."
            options = with_accepted_pin(backend, options, accepted, how=how)
        destination.configure(options)
