from argparse import ArgumentTypeError
from datetime import date
from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand
from backups.service.monitoring.verdict import describe_reason
from backups.service.monitoring.verdict.accept import accept_reason
from destinations.lib.formats import printable
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Accept a reason why an instance is not protected, for a while: it stays listed, and the level stays."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance")
        parser.add_argument("code", help="as `status` prints it, such as only-on-this-machine or copy-missing:nas")
        parser.add_argument("--until", type=_day, required=True, metavar="DATE", help="the last day, as 2027-03-01")
        parser.add_argument("--text", required=True, metavar="TEXT", help="why it is acceptable")

    def run(self, **options: Any) -> None:
        name = options["instance"]
        reason = accept_reason(name, options["code"], text=options["text"], until=options["until"], by=operator_name())
        text = f"accepted until {options['until']}  {name}  {reason.key}: {reason.text}"
        self.respond({"instance": name, **describe_reason(reason)}, printable(text))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no day such as 2027-03-01.") from error
