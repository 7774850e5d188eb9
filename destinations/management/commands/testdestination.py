import logging
from typing import Any

from django.core.management.base import CommandParser

from destinations.backends import TestStep
from destinations.lib.formats import human_duration, printable
from destinations.management.base import OperatorCommand, operator_name
from destinations.management.options import find_destination
from destinations.providers import warnings_about

logger = logging.getLogger(__name__)


class Command(OperatorCommand):
    help = "Write, read back and delete a small file at a destination."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument(
            "--accept-empty", action="store_true", help="its storage was replaced on purpose: accept it empty"
        )

        parser.add_argument("--enable", action="store_true", help="enable it when the test succeeds")

    def run(self, **options: Any) -> None:
        destination = find_destination(options["name"])
        if options["accept_empty"]:
            destination.established = False
        # as they are taken: one that hangs is seen
        result = destination.test(user=operator_name(), report=self._say)
        if options["accept_empty"]:
            destination.save(update_fields=["established"])
        if options["enable"]:
            destination.enabled = True
            destination.save(update_fields=["enabled"])
            logger.info("destination enabled name=%s user=%s", destination.name, operator_name())
        # a step of the test may have found the same
        details = {step["detail"] for step in result.steps}
        warnings = [found for found in warnings_about(destination) if found not in details]
        lines = [f"  Warning: {warning}" for warning in warnings]
        self.respond(
            {
                "name": destination.name,
                "ok": True,
                "enabled": destination.enabled,
                "steps": result.steps,
                "warnings": warnings,
            },
            "\n".join([f"Destination {destination.name} works.", *lines]),
        )

    def _say(self, step: TestStep) -> None:
        if not self.as_json:
            self.stdout.write(printable(f"  {step.name}: {step.detail} ({human_duration(step.seconds)})"))
