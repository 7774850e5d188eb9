"""Which heartbeats are of a living worker with another SECRET_KEY."""

import os
import socket
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.models import Heartbeat
from backups.runs.recovery import heartbeats

pytestmark = pytest.mark.django_db


def a_worker(**fields: object) -> Heartbeat:
    now = timezone.now()
    values: dict[str, object] = {
        "name": "worker far:1", "kind": "worker", "queue": "branch", "host": "far", "pid": 1, "started_at": now,
        "beat_at": now, "key_fingerprint": "0123456789abcdef",
    }  # fmt: skip
    return Heartbeat.objects.create(**values | fields)


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({}, True),
        ({"host": socket.gethostname(), "pid": os.getpid()}, True),
        ({"host": socket.gethostname(), "pid": 2**22 + 1}, False),
        ({"key_fingerprint": ""}, False),
        ({"kind": "scheduler"}, False),
        ({"stopped_at": timezone.now()}, False),
        ({"beat_at": timezone.now() - timedelta(seconds=120)}, False),
    ],
)
def test_it_counts_while_it_lives(fields: dict[str, object], counts: bool) -> None:
    row = a_worker(**fields)
    assert heartbeats.workers_with_other_key() == ([row] if counts else [])


def test_a_heartbeat_has_the_fingerprint_of_the_key_and_nothing_of_it(settings: Settings) -> None:
    heartbeats.beat("worker x:1", heartbeats.Kind.WORKER, "backups")
    assert heartbeats.workers_with_other_key() == []
    settings.SECRET_KEY = "another" * 9
    (row,) = heartbeats.workers_with_other_key()
    assert len(row.key_fingerprint) == 16 and row.key_fingerprint != heartbeats.key_fingerprint()
