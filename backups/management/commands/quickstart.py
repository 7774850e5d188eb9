from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandParser

from backups.errors import BackupError
from backups.instances import instance_names
from backups.management.base import BackupCommand
from backups.management.quickstart import demo_history, setup
from backups.management.quickstart.serve import require_free, serve
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Set up a site, make and verify a first backup, and serve the site with a worker."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("--no-serve", action="store_true", help="stop after the first backup")
        parser.add_argument("--bind", default="127.0.0.1:8000", metavar="HOST:PORT", help="default: 127.0.0.1:8000")
        given = parser.add_mutually_exclusive_group()
        given.add_argument("--instances", type=Path, metavar="FILE", help="an instances file to start with")
        given.add_argument(
            "--demo-history",
            type=int,
            nargs="?",
            const=1,
            metavar="INSTANCES",
            help="on an empty site: so many demo instances (default: 1) with 60 days of made-up history",
        )

    def run(self, **options: Any) -> None:
        host, port = address(options["bind"])
        if not options["no_serve"]:
            require_free(host, port)
        call_command("migrate", verbosity=0)
        demo: int | None = options["demo_history"]
        if demo is None:
            steps = [setup.provide_instances(options["instances"])]
        else:
            steps = [demo_history.describe_instances(demo)]
        destination, tested = setup.provide_destination()
        names = instance_names() if demo is None else demo_history.names_of(demo)
        backed_up = names if demo is None else demo_history.backed_up(names)
        steps += [tested, *setup.first_backups(destination, operator_name(), backed_up)]
        # before the history: it has a copy at a destination that no key can be tried at
        keys, problem = setup.check_keys()
        if demo is not None:
            steps.append(demo_history.make_history(names, destination))
        steps += [keys, setup.provide_admin(), *setup.advise()]
        self.respond({"steps": steps}, "\n".join(steps))
        if options["no_serve"]:
            if problem:
                raise BackupError(problem, hint="`checkkeys` shows all of them.")
            return
        self.stdout.write(f"serving     http://{host}:{port}/  (Ctrl-C stops the site and its worker)")
        self.stdout.flush()
        if ended := serve(host, port):
            raise BackupError(f"{ended}. Everything was stopped.", hint="Its messages are above.")
        self.stdout.write("stopped")


def address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``; an IPv6 host is in brackets."""
    host, separator, port = text.rpartition(":")
    if not separator or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise BackupError(f"--bind {text!r} is not HOST:PORT.", hint="An example is 127.0.0.1:8000.")
    return host.strip("[]"), int(port)
