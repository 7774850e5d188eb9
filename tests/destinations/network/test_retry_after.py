"""What a server says of when to come back, and what is made of it."""

from datetime import timedelta
from email import message_from_string
from email.utils import format_datetime
from urllib.error import HTTPError

import pytest
from django.utils import timezone

from destinations.backends.azure.account import Account
from destinations.backends.azure.answers import AzureRefused
from destinations.backends.azure.answers import explain as azure_error
from destinations.backends.gcs.answers import GcsRefused
from destinations.backends.gcs.answers import explain as gcs_error
from destinations.backends.webdav.errors import answer_error as webdav_error
from destinations.exceptions import LONGEST_WAIT_SECONDS, ConnectionLost
from destinations.network.retry_after import retry_after
from destinations.transfer.persistence import persistently


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 0 ", 0),
        ("", 0),
        ("soon", 0),
        ("-5", 0),
        ("\u00b2", 0),
        ("1e9", 0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0),
    ],
)
def test_a_number_of_seconds_is_taken_and_nothing_else_is_one(value: str, seconds: float) -> None:
    assert retry_after(value) == seconds


def test_a_date_is_taken_too() -> None:
    later = format_datetime(timezone.now() + timedelta(seconds=60))
    assert 50 < retry_after(later) <= 60


@pytest.mark.parametrize("value", ["99999999999", "9" * 500, "\u00b2"])
def test_no_answer_of_a_store_holds_an_upload_up_for_ever(value: str) -> None:
    errors = [
        azure_error(AzureRefused("ServerBusy", 503, "", {"retry-after": value}, "w"), "x", "y", Account(*"abcde")),
        gcs_error(GcsRefused("write", 503, "", "", {"Retry-After": value}), "x", "y"),
        webdav_error(HTTPError("x", 503, "", message_from_string(f"Retry-After: {value}"), None), "x", "y"),
    ]
    for error in errors:
        assert isinstance(error, ConnectionLost)
        assert error.retry_after <= LONGEST_WAIT_SECONDS


def test_a_part_waits_no_longer_than_a_whole_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    now, tries = [0.0], [0]
    monkeypatch.setattr("destinations.transfer.persistence.time.monotonic", lambda: now[0])

    def sleep(seconds: float) -> None:
        now[0] += max(seconds, 1)

    def once() -> None:
        tries[0] += 1
        raise ConnectionLost("It is busy.", "Wait.", retry_after=10**9)

    monkeypatch.setattr("destinations.transfer.persistence.time.sleep", sleep)
    with pytest.raises(ConnectionLost):
        persistently(once, delays=(0,), explain=lambda error: None, checkpoint=lambda: None)
    assert tries == [2]
    assert now[0] <= LONGEST_WAIT_SECONDS + 1
