"""Heartbeats of dead workers are deleted, also where another process has the pid by now."""

import os
import socket

import pytest
from django.utils import timezone

from backups.models import Heartbeat
from backups.runs.recovery import heartbeats

pytestmark = pytest.mark.django_db


def test_a_worker_that_died_is_not_taken_for_the_process_that_has_its_pid() -> None:
    mine = heartbeats.worker_name()
    heartbeats.beat(mine, heartbeats.Kind.WORKER, "backups")
    living = Heartbeat.objects.get()
    boot, namespace, _, began = living.process.split("/")
    Heartbeat.objects.create(
        name="an earlier worker",
        kind=heartbeats.Kind.WORKER,
        queue="backups",
        host=socket.gethostname(),
        pid=os.getpid(),
        process=f"{boot}/{namespace}/{os.getpid()}/{int(began) - 1}",
        started_at=timezone.now(),
        beat_at=timezone.now(),
    )
    heartbeats.delete_dead("backups")
    assert list(Heartbeat.objects.values_list("name", flat=True)) == [mine]
