"""Each dangerous setting of the queue and the database is found by its id."""

from typing import Any

import pytest
from django.conf import settings as site
from django.core.checks import CheckMessage, run_checks
from pytest_django import Settings

from backups.checks.queue import ending_seconds, needed_retry
from backupsite.environment import Environment
from backupsite.queue import cluster_settings, database_settings


def found(*, tag: str = "queue") -> list[CheckMessage]:
    return run_checks(tags=[tag])


def ids() -> list[str]:
    return [message.id or "" for message in found()]


def test_the_settings_of_the_site_are_found_in_order() -> None:
    assert found() == []


@pytest.mark.parametrize("workers", [1, 2, 8, 64])
@pytest.mark.parametrize("timeout", [60, 21_600, 604_800])
def test_the_settings_are_in_order_for_every_number_of_runs_and_every_timeout(
    settings: Settings, workers: int, timeout: int
) -> None:
    settings.BACKUP_WORKERS, settings.BACKUP_TIMEOUT = workers, timeout
    settings.Q_CLUSTER = cluster_settings(Environment(), runs=workers, timeout=timeout)

    assert found() == []


CLUSTER = [
    ("backups.E010", {"timeout": None}),
    ("backups.E010", {"timeout": 21_600, "retry": 99_999}),
    ("backups.E011", {"retry": 60}),
    ("backups.E011", {"retry": 45_000}),
    ("backups.E011", {"queue_limit": 20}),
    ("backups.E012", {"ack_failures": False}),
    ("backups.E013", {"max_attempts": 0}),
    ("backups.E014", {"catch_up": True}),
    ("backups.E015", {"sync": True}),
    ("backups.E016", {"scheduler": False}),
    ("backups.E017", {"orm": "other"}),
    ("backups.W010", {"workers": 2, "retry": 99_999}),
    ("backups.W011", {"queue_limit": 7, "retry": 99_999}),
    ("backups.W012", {"poll": 0.1}),
    ("backups.W012", {"poll": 60}),
    ("backups.W013", {"save_limit": 0}),
    ("backups.W014", {"sqs": {"aws_region": "eu"}}),
]


@pytest.mark.parametrize(("expected", "changes"), CLUSTER)
def test_a_dangerous_setting_of_the_cluster_is_found(
    settings: Settings, expected: str, changes: dict[str, Any]
) -> None:
    settings.Q_CLUSTER = site.Q_CLUSTER | changes

    assert expected in ids()
    assert all(message.hint for message in found())


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("retry", "backups.E011"),
        ("timeout", "backups.E010"),
        ("ack_failures", "backups.E012"),
        ("max_attempts", "backups.E013"),
        ("catch_up", "backups.E014"),
        ("poll", "backups.W012"),
    ],
)
def test_the_default_of_django_q2_is_found_to_be_dangerous(settings: Settings, missing: str, expected: str) -> None:
    settings.Q_CLUSTER = {key: value for key, value in site.Q_CLUSTER.items() if key != missing}

    assert expected in ids()


def test_retry_has_to_cover_the_time_that_a_message_waits_behind_others() -> None:
    assert needed_retry({"timeout": 100, "workers": 2, "queue_limit": 1}) == 200
    assert needed_retry({"timeout": 100, "workers": 2, "queue_limit": 2}) == 300
    assert needed_retry({"timeout": 100, "workers": 1, "queue_limit": 1}) == 300
    assert needed_retry({"timeout": 100, "workers": 4}) == 600, "the default of queue_limit is workers squared"


def test_django_q2_leaves_a_run_the_time_to_end_and_a_restore_to_roll_back() -> None:
    assert ending_seconds() >= 600
    assert site.Q_CLUSTER["timeout"] >= site.BACKUP_TIMEOUT + ending_seconds()


DATABASE = [
    ("backups.E020", {"ATOMIC_REQUESTS": True}),
    ("backups.E021", {"OPTIONS": {"timeout": 20, "init_command": "PRAGMA journal_mode=WAL;"}}),
    ("backups.E022", {"ENGINE": "django.db.backends.mysql"}),
    ("backups.W020", {"CONN_MAX_AGE": 0}),
    ("backups.W021", {"OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"}}),
    (
        "backups.W022",
        {"OPTIONS": {"timeout": 5, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode = wal"}},
    ),
]


@pytest.mark.parametrize(("expected", "changes"), DATABASE)
def test_a_dangerous_setting_of_the_database_is_found(
    monkeypatch: pytest.MonkeyPatch, expected: str, changes: dict[str, Any]
) -> None:
    monkeypatch.setitem(site.DATABASES, "default", site.DATABASES["default"] | changes)

    assert ids() == [expected]
    assert found()[0].hint


def test_redis_beside_sqlite_is_found(settings: Settings) -> None:
    settings.Q_CLUSTER = {key: value for key, value in site.Q_CLUSTER.items() if key != "orm"} | {"redis": "redis://x"}

    assert ids() == ["backups.W023"]


@pytest.mark.parametrize("name", ["BACKUP_WORKERS", "BACKUP_TIMEOUT", "BACKUP_HEARTBEAT_TIMEOUT"])
def test_a_number_under_which_nothing_would_run_is_found(settings: Settings, name: str) -> None:
    setattr(settings, name, 0)

    assert "backups.E018" in ids()


def test_a_queue_whose_name_is_none_is_found(settings: Settings) -> None:
    settings.BACKUP_QUEUE = "two words"

    assert ids() == ["backups.E019"]


def test_postgresql_and_redis_are_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://site:secret@db.example.org:5433/site?sslmode=require")
    monkeypatch.setenv("BACKUP_REDIS_URL", "redis://queue.example.org:6379/3")
    env = Environment()

    database = database_settings(env, tmp_path)
    cluster = cluster_settings(env, runs=2, timeout=60)

    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert database["OPTIONS"] == {"sslmode": "require", "connect_timeout": 10}
    assert cluster["redis"].startswith("redis://queue.example.org:6379/3?socket_connect_timeout=")
    assert "orm" not in cluster


def test_without_an_environment_one_sqlite_file_does_everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("BACKUP_REDIS_URL", raising=False)

    database = database_settings(Environment(), tmp_path)

    assert database["NAME"] == str(tmp_path / "backupsite.sqlite3")
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert cluster_settings(Environment(), runs=2, timeout=60)["orm"] == "default"
