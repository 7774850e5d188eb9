"""A tick with a schedule due for each instance. Run as a program: ``due.py ROUNDS`` prints JSON."""

import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1]


def main(rounds: int) -> dict[str, float]:
    """Return the queries of a tick, the least seconds of `rounds`, and the longest that one locked the database."""
    from django.conf import settings
    from django.db import connection
    from django.test.utils import CaptureQueriesContext
    from django.utils import timezone

    from backups.instances import inventory
    from backups.models import BackupExecution, BackupSchedule
    from backups.worker.tick import tick
    from benchmarks.lock_probe import longest_lock
    from destinations.models import BackupDestination

    where = BackupDestination.objects.get()
    for name in inventory().instances:
        BackupSchedule.objects.create(name=name, instance=name, destination=where, expression="0 * * * *")
    tick()

    def all_due() -> None:
        BackupExecution.objects.all().delete()
        BackupSchedule.objects.update(next_run=timezone.now() - timedelta(seconds=1))

    all_due()
    with CaptureQueriesContext(connection) as captured:
        tick()
    took = list[float]()
    for _ in range(rounds):
        all_due()
        began = time.perf_counter()
        tick()
        took.append(time.perf_counter() - began)
    all_due()
    locked = longest_lock(Path(settings.DATABASES["default"]["NAME"]), tick)
    return {"seconds": min(took), "queries": len(captured), "locked_ms": 1000 * locked}


if __name__ == "__main__":
    sys.path[:0] = [str(SCRIPTS.parent), str(SCRIPTS)]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backupsite.settings")
    import django

    django.setup()
    print(json.dumps(main(int(sys.argv[1]))))
