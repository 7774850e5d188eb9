"""A copy whose process is killed in the middle of the upload: the next process goes on from what the row says."""

import os
from pathlib import Path

import pytest
from django.conf import settings

from backups.models import BackupCopy, CopyExecution
from backups.runs.recovery.reap import reap
from backups.service.backup.run import backup_now
from backups.service.copying.run import copy_now
from destinations.backends.sftp import folder as sftp_folder
from destinations.models import BackupDestination
from tests.destinations.contract.sftp_place import account
from tests.support.processes.project_programs import start
from tests.support.servers.proxy import Proxy
from tests.support.servers.running.accounts import FULL
from tests.support.servers.sshd import Sshd
from tests.support.sites.worker_site import eventually

pytestmark = pytest.mark.django_db(transaction=True)
MIB = 1024 * 1024


def test_the_next_process_goes_on_where_the_killed_one_was(
    home: Path, small_shop: Path, destination: BackupDestination, sshd: Sshd, apart: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (small_shop / "uploads" / "film").write_bytes(os.urandom(6 * MIB))
    backup = backup_now("shop", destination, by="tests")
    with Proxy(sshd.port, sshd.host) as proxy:
        remote = BackupDestination(name="remote", type="sftp", encryption="allowed", created_by="tests")
        remote.configure(account(sshd) | {"host": proxy.host, "port": proxy.port, "base_path": apart})
        remote.save()
        proxy.mute(up=4 * MIB)
        key = ",".join(settings.BACKUP_SECRETS_KEY)
        process = start(home, "manage.py", "copybackup", backup.pk, "--to", "remote", BACKUP_SECRETS_KEY=key)
        try:
            saved = BackupCopy.objects.filter(upload_state__isnull=False)
            eventually(lambda: proxy._all_muted and saved.all())
        finally:
            process.kill()
            process.communicate()
        proxy.clear()
        reap()
        assert CopyExecution.objects.get().status == "interrupted"
        copy = BackupCopy.objects.get(destination=remote)
        assert copy.planned_path and copy.upload_state
        monkeypatch.setattr(sftp_folder, "STEP_BACK", MIB // 4)
        before = proxy.bytes["up"]
        assert copy_now(backup, remote, by="tests").status == "completed"
        sent = proxy.bytes["up"] - before
    copy.refresh_from_db()
    assert (copy.state, copy.upload_state) == ("stored", None)
    archive = sshd.home(FULL) / apart / copy.path
    assert archive.read_bytes() == (home / "backups" / "nas" / backup.backup_path).read_bytes()
    assert [path.name for path in archive.parent.iterdir() if path.suffix == ".part"] == []
    assert sent < 4 * MIB
