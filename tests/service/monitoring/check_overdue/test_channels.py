"""What the site cannot report by itself goes by its own channels all the same, without a row being written."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import OperationalError

from backups.management.commands import checkoverdue
from backups.models import Delivery, NotificationChannel
from backups.notifications.channels import configure
from backups.outside.problem import Problem, Severity
from tests.outside.receiver import Receiver, receiving

pytestmark = pytest.mark.django_db
LATE = Problem(Severity.CRITICAL, "shop/overdue", "The backup of shop is late.")
FULL = Problem(Severity.CRITICAL, "not-writable/srv", "Nothing can be written in /srv/site: full.", is_silence=True)


def a_webhook(receiver: Receiver, name: str = "ops", **fields: object) -> NotificationChannel:
    channel = NotificationChannel(name=name, kind="webhook", **fields)
    configure(channel, {"url": receiver.url, "secret": "a" * 44})
    channel.save()
    return channel


Look = Callable[..., tuple[int, str]]


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Look:
    # the rows of a test are seen by its own connection only
    monkeypatch.setattr(checkoverdue, "within", lambda _seconds, ask: ask())

    def run(*problems: Problem) -> tuple[int, str]:
        monkeypatch.setattr(checkoverdue, "problems_here", lambda _seconds: list(problems))
        out = io.StringIO()
        try:
            call_command("checkoverdue", "--channels", "--memory", str(tmp_path / "memory"), stdout=out)
        except SystemExit as ended:
            return int(ended.code or 0), out.getvalue()
        return 0, out.getvalue()

    return run


def test_a_silence_is_told_once_by_each_channel_of_the_site_and_its_end_too(look: Look) -> None:
    with receiving() as receiver:
        a_webhook(receiver)
        a_webhook(receiver, "inside", hide_paths=False)
        a_webhook(receiver, "off", enabled=False)
        a_webhook(receiver, "of-instances", scope="instances")
        assert look(LATE)[0] == 2
        assert receiver.got == [], "the site reports that by itself"
        for _ in range(2):
            assert look(LATE, FULL)[0] == 2
        inside, outside = (receiver.body(number)["data"] for number in (0, 1))
        assert len(receiver.got) == 2
        assert "/srv/site" in inside["text"]
        assert "/srv/site" not in outside["text"] + outside["subject"]
        assert "shop" not in inside["text"]
        assert (inside["level"], outside["level"]) == ("alarm", "alarm")
        for _ in range(2):
            look(LATE)
        assert len(receiver.got) == 4
        assert receiver.body()["data"]["level"] == "information"
    assert not Delivery.objects.exists()


def test_a_channel_that_fails_is_a_line_and_the_others_get_it(look: Look) -> None:
    with receiving() as receiver, receiving() as broken:
        broken.answers = [(500, b"")]
        a_webhook(broken, "broken")
        a_webhook(receiver)
        code, out = look(FULL)
        assert code == 2
        assert "channel broken was not sent" in out
        assert len(receiver.got) == 1


def test_it_is_said_when_there_is_no_channel_or_no_database_to_read_one_from(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "none is enabled for the whole site" in look(FULL)[1]

    def fail() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(checkoverdue, "channels_of_site", fail)
    assert "the database cannot be read" in look(FULL)[1]
