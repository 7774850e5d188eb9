"""A failed sign-in leaves one line in the log, whatever was sent."""

import logging

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.test import Client

pytestmark = pytest.mark.django_db
LOGIN = "/admin/login/"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING, "backups")
    return caplog


def test_a_wrong_password_is_one_line_with_name_and_addresses_and_without_the_password(
    log: pytest.LogCaptureFixture,
) -> None:
    User.objects.create_superuser("alice", password="right-Hunter-22")
    sent = {"username": "alice", "password": "wrong-Hunter-22"}
    Client(REMOTE_ADDR="192.0.2.7").post(LOGIN, sent, headers={"X-Forwarded-For": "198.51.100.9, 203.0.113.4"})
    (record,) = log.records
    assert (record.levelname, record.getMessage()) == (
        "WARNING",
        'sign-in.failed name=alice address=192.0.2.7 forwarded_for="198.51.100.9, 203.0.113.4"'
        ' reason="wrong name or password"',
    )


@pytest.mark.parametrize("fields", [{"is_staff": False}, {"is_active": False}])
def test_a_right_password_of_a_user_who_may_not_sign_in_is_one_too(
    fields: dict[str, bool], log: pytest.LogCaptureFixture
) -> None:
    User.objects.create_user("bob", password="right-Hunter-22", **{"is_staff": True} | fields)
    Client(REMOTE_ADDR="192.0.2.7").post(LOGIN, {"username": "bob", "password": "right-Hunter-22"})
    (record,) = log.records
    assert record.getMessage().startswith("sign-in.failed name=bob address=192.0.2.7 reason=")


def test_a_name_that_forges_a_line_or_fills_the_disk_does_neither(log: pytest.LogCaptureFixture) -> None:
    # a form refuses more; a program that signs in does not ask the form
    authenticate(None, username="x\nsign-in.failed name=eve " + "y" * 100_000, password="z")
    (record,) = log.records
    assert record.getMessage().isprintable() and len(record.getMessage()) < 400


def test_who_signs_in_leaves_none(log: pytest.LogCaptureFixture) -> None:
    User.objects.create_superuser("alice", password="right-Hunter-22")
    answer = Client().post(LOGIN, {"username": "alice", "password": "right-Hunter-22"})
    assert answer.status_code == 302 and not log.records
