"""A tick with a schedule due for each instance. Run as a program: ``due.py ROUNDS`` prints JSON."""

import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1]


def main(rounds: int) -> dict[str, float]:
    """Return the queries of a tick, and the least seconds of `rounds`."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext
    from django.utils import timezone

    from backups.instances import inventory
    from backups.models import BackupExecution, BackupSchedule
    from backups.worker.tick import tick
    from destinations.models import BackupDestination

    where, took = BackupDestination.objects.get(), []
    for name in inventory().instances:
        BackupSchedule.objects.create(name=name, instance=name, destination=where, expression="0 * * * *")
    tick()
    queries = 0
    for counts in (True, *[False] * rounds):
        BackupExecution.objects.all().delete()
        BackupSchedule.objects.update(next_run=timezone.now() - timedelta(seconds=1))
        if counts:
            with CaptureQueriesContext(connection) as captured:
                tick()
            queries = len(captured)
            continue
        began = time.perf_counter()
        tick()
        took.append(time.perf_counter() - began)
    return {"seconds": min(took), "queries": queries}


if __name__ == "__main__":
    sys.path.insert(0, str(SCRIPTS.parent))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backupsite.settings")
    import django

    django.setup()
    print(json.dumps(main(int(sys.argv[1]))))
