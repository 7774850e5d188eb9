"""Queries and database time of each page, the tick and the listing commands.

Run as a program in the environment of a site that ``history.py`` made: ``pages.py ROUNDS`` prints JSON: the size of
the database in bytes, and what each page needs; ``pages.py ROUNDS lists`` without retention, tick and commands.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parents[1]
LIST, RESTORES = "/admin/backups/backupexecution/", "/admin/backups/restoreexecution/"
DRILLS, COPYINGS = "/admin/backups/drillexecution/", "/admin/backups/copyexecution/"
NOTICES, DELIVERIES = "/admin/backups/notice/", "/admin/backups/delivery/"
SCHEDULES, DESTINATIONS = "/admin/backups/backupschedule/", "/admin/destinations/backupdestination/"
COMMANDS = ("listbackups", "listschedules", "listrestores")


class Database:
    """Counts the queries and adds up how long each took to answer, in milliseconds."""

    def __init__(self) -> None:
        self.queries, self.spent = 0, 0.0

    def __call__(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(*arguments)
        finally:
            self.queries += 1
            self.spent += (time.perf_counter() - began) * 1000


def measure(work: Callable[[], object], rounds: int) -> dict[str, float]:
    """Return the queries, and milliseconds in the database and in all, as medians of `rounds` after one to warm up."""
    from django.db import connection

    samples = []
    for _ in range(rounds + 1):
        database, began = Database(), time.perf_counter()
        with connection.execute_wrapper(database):
            work()
        samples.append((database.queries, database.spent, (time.perf_counter() - began) * 1000))
    queries, spent, wall = zip(*samples[1:], strict=True)
    median = statistics.median
    walls = {"wall": median(wall), "fastest": min(wall)}
    return {"queries": median(queries), "database": median(spent), "best": min(spent), **walls}


def size_of_database() -> int:
    from django.db import connection

    if connection.vendor == "sqlite":
        return Path(connection.settings_dict["NAME"]).stat().st_size
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def pages() -> dict[str, str]:
    """Return the address of each page, by name."""
    from django.contrib.admin.models import LogEntry

    from backups.models import BackupExecution, RestoreExecution
    from benchmarks.history import KEEPS_ALL, PRUNES
    from destinations.models import BackupDestination

    done = BackupExecution.objects.filter(status="completed").defer("manifest_json")
    newest, oldest = done[0], done.last()
    last_page = BackupExecution.objects.count() // 50
    place = {row.name: row.pk for row in BackupDestination.objects.all()}
    month = f"created_at__year={newest.created_at.year}&created_at__month={newest.created_at.month}"
    here = f"destination__id__exact={place[PRUNES]}"
    searches = {
        "an instance": newest.instance,
        "a file name": oldest.backup_filename,
        "an old day": f"{oldest.created_at:%Y%m%d}",
        "a comment": "upgrade",
        "what all have": "backup",
        "what none has": "no-such-thing",
        "an id": oldest.pk,
    }
    return {
        "front page": "/admin/",
        "coming runs": "/admin/backups/coming/",
        "backups": LIST,
        "backups, page 100": f"{LIST}?p={min(100, last_page)}",
        "backups, page in the middle": f"{LIST}?p={last_page // 2}",
        "backups, last page": f"{LIST}?p={last_page}",
        "backups of one instance": f"{LIST}?instance={newest.instance}",
        "backups that completed": f"{LIST}?status__exact=completed",
        "backups that failed": f"{LIST}?status__exact=failed",
        "backups of a kind that is rare": f"{LIST}?kind__exact=startup",
        "backups at one destination": f"{LIST}?{here}",
        "backups that failed at one destination": f"{LIST}?{here}&status__exact=failed",
        "backups whose archive is stored": f"{LIST}?archive=stored",
        "backups whose archive is damaged": f"{LIST}?archive=damaged",
        "backups that were not drilled": f"{LIST}?drill=none",
        "backups that are encrypted": f"{LIST}?encryption=yes",
        "backups that are not encrypted": f"{LIST}?encryption=no",
        "backups by size": f"{LIST}?o=6",
        **{f"backups, search for {what}": f"{LIST}?q={words}" for what, words in searches.items()},
        "backups of one year": f"{LIST}?created_at__year={newest.created_at.year - 1}",
        "backups of one month": f"{LIST}?{month}",
        "backups of one day": f"{LIST}?{month}&created_at__day={newest.created_at.day}",
        "restores": RESTORES,
        "restores, search": f"{RESTORES}?q={newest.instance}",
        "drills": DRILLS,
        "drills that failed": f"{DRILLS}?verdict__exact=failed",
        "copies under way and ended": COPYINGS,
        "notices": NOTICES,
        "notices that are open": f"{NOTICES}?state=open",
        "notices, search": f"{NOTICES}?q={newest.instance}",
        "deliveries": DELIVERIES,
        "schedules": SCHEDULES,
        "destinations": DESTINATIONS,
        "page of an instance": f"/admin/backups/instances/{newest.instance}/",
        "page of a backup": f"{LIST}{LogEntry.objects.first().object_id}/change/",
        "page of a restore": f"{RESTORES}{RestoreExecution.objects.first().pk}/change/",
        "keys": "/admin/backups/keys/",
        "retention of a destination": f"{DESTINATIONS}{place[PRUNES]}/retention/",
        "retention where everything is kept": f"{DESTINATIONS}{place[KEEPS_ALL]}/retention/",
        "catalogue": f"{DESTINATIONS}{place[PRUNES]}/catalogue/",
    }


def main(rounds: int, *, lists: bool = False) -> dict[str, dict[str, float]]:
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    from backups.models import KeyCheck
    from backups.worker.tick import tick
    from destinations.models import BackupDestination

    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get(username="admin"))

    def page(address: str) -> None:
        if (status := client.get(address).status_code) != 200:
            raise SystemExit(f"{address}: {status}")

    wanted = {name: address for name, address in pages().items() if not lists or "/retention/" not in address}
    found = {name: measure(lambda address=address: page(address), rounds) for name, address in wanted.items()}
    if lists:
        return found
    found["tick that tries keys, once a day"] = measure(tick, rounds)
    while KeyCheck.objects.count() < BackupDestination.objects.count():
        tick()
    found["tick"] = measure(tick, rounds)
    with redirect_stdout(StringIO()):
        for command in COMMANDS:
            found[f"`{command}`"] = measure(lambda command=command: call_command(command), rounds)
    return found


if __name__ == "__main__":
    sys.path[:0] = [str(SCRIPTS.parent), str(SCRIPTS)]
    os.environ["DJANGO_SETTINGS_MODULE"] = "backupsite.settings"
    import django

    django.setup()
    print(json.dumps({"bytes": size_of_database(), "pages": main(int(sys.argv[1]), lists="lists" in sys.argv)}))
