"""What django-q2 stores of a task that failed with an unexpected error."""

from tests.support.sites.worker_site import Site, eventually

CANARY = "canary passphrase 6d1f"
BROKEN = """
import backups.worker.tasks
from django.conf import settings
def backup(backup_id):
    raise ValueError(f"530 login with {settings.BACKUP_ENCRYPTION_PASSPHRASE} failed")
backups.worker.tasks.backup = backup
"""


def test_the_result_of_a_task_that_crashed_and_the_log_of_it_hold_no_secret(site: Site) -> None:
    worker = site.worker(script=BROKEN, BACKUP_ENCRYPTION_PASSPHRASE=CANARY)
    site.python(
        "from backups.worker.q2.enqueue import send_message\n"
        "send_message('backups', 'backups.worker.tasks.backup', 'none')"
    )
    eventually(lambda: site.rows("SELECT 1 FROM django_q_task WHERE name = 'backup none'"))

    kept = site.python("from django_q.models import Task; print(Task.objects.get(name='backup none').result)")
    assert "ValueError: 530 login with [hidden] failed" in kept
    written = kept + worker.log.read_text() + (site.home / "backupsite.log").read_text()
    assert "530 login with [hidden] failed" in worker.log.read_text()
    assert CANARY not in written
