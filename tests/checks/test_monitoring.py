"""The token of /health and /metrics is long enough, and can be sent."""

import pytest
from pytest_django import Settings

from backups.checks.monitoring import check_token


@pytest.mark.parametrize(
    ("token", "wrong"),
    [("", False), ("a" * 16, False), ("a" * 15, True), ("canary " * 5, True), ("ü" * 20, True), ("a\n" * 20, True)],
)
def test_a_token_that_is_short_or_cannot_be_sent_is_reported_without_it(
    token: str, wrong: bool, settings: Settings
) -> None:
    settings.BACKUP_MONITORING_TOKEN = token
    found = check_token(None)
    assert [message.id for message in found] == ["backups.W090"] * wrong
    assert all("canary" not in message.msg for message in found)
