"""Commands about channels of notifications, and the rotation of their secrets."""

import json
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from backups.models import BackupSchedule, Delivery, NotificationChannel
from backups.notifications.channels import configure, options_of
from tests.support.rows import a_destination
from tests.support.servers.receivers import SECRET, web_receiver

pytestmark = pytest.mark.django_db
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def a_hook(name: str = "hook", url: str = "https://hook.example/path") -> NotificationChannel:
    channel = NotificationChannel(name=name, kind="webhook")
    configure(channel, {"url": url, "secret": SECRET})
    channel.save()
    return channel


def test_a_channel_is_added_from_files_tested_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    with web_receiver() as web:
        (tmp_path / "url").write_text(f"{web.url}/token-in-path\n")
        call_command(
            "addchannel", "desk", "--kind=webhook", f"--option-file=url={tmp_path}/url",
            f"--option-file=secret={tmp_path}/secret", "--mute=drills:warning", "--digest=daily",
        )  # fmt: skip
        call_command("testchannel", "desk")
        assert [one.is_signed for one in web.taken] == [True, True]
        web.status = 500
        with pytest.raises(CommandError, match="HTTP 500"):
            call_command("testchannel", "desk")
    channel = NotificationChannel.objects.get()
    assert (channel.muted, channel.digest, channel.next_digest_at is not None) == (["drills:warning"], "daily", True)
    capsys.readouterr()
    call_command("listchannels", "--json")
    [listed] = json.loads(capsys.readouterr().out)
    assert (listed["name"], listed["kind"], listed["scope"], listed["failures"]) == ("desk", "webhook", "site", 1)
    call_command("listchannels")
    assert "token-in-path" not in json.dumps(listed) + capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--option=url=nowhere"], "secret|url"),
        (["--mute=nonsense:alarm"], "nonsense:alarm"),
        (["--schedule=nightly"], "no schedule"),
        (["--instance=nowhere"], "nowhere"),
        (["--time-zone=Mars", f"--option=secret={SECRET}", "--option=url=https://h/"], "Mars"),
    ],
)
def test_a_wrong_option_adds_nothing(argv: list[str], said: str, settings: Settings) -> None:
    settings.BACKUP_INSTANCES = {}
    with pytest.raises(CommandError, match=said):
        call_command("addchannel", "desk", "--kind=webhook", *argv)
    assert not NotificationChannel.objects.exists()


def test_a_channel_that_cannot_be_reached_is_added_and_reported() -> None:
    with pytest.raises(CommandError, match="is added"):
        call_command("addchannel", "watcher", "--kind=ping", "--option=url=http://127.0.0.1:9/uuid")
    assert NotificationChannel.objects.get().failures == 1
    assert Delivery.objects.get().state == "given up"
    with pytest.raises(CommandError, match="watcher"):
        call_command("testchannel", "other")


def test_a_channel_is_changed_by_what_is_given_and_keeps_the_rest() -> None:
    a_hook()
    BackupSchedule.objects.create(
        name="nightly", instance="shop", destination=a_destination(), type="interval", expression="days:1"
    )
    call_command("changechannel", "hook", "--mute=drills:warning", "--schedule=nightly", "--digest=daily", "--disable")
    changed = NotificationChannel.objects.get()
    assert (changed.muted, changed.scope, changed.digest, changed.enabled) == (
        ["drills:warning"], "schedules", "daily", False
    )  # fmt: skip
    assert changed.next_digest_at is not None
    assert options_of(changed) == {"url": "https://hook.example/path", "secret": SECRET, "ca_file": ""}
    call_command(
        "changechannel", "hook", "--unmute=drills:warning", "--site", "--digest=none", "--enable", "--show-paths",
        "--option=url=https://other.example/", "--untested",
    )  # fmt: skip
    changed = NotificationChannel.objects.get()
    assert (changed.muted, changed.scope, changed.digest, changed.enabled) == ([], "site", "", True)
    assert (changed.next_digest_at, changed.hide_paths, changed.schedules.count()) == (None, False, 0)
    assert options_of(changed) == {"url": "https://other.example/", "secret": SECRET, "ca_file": ""}
    assert not Delivery.objects.exists()


def test_new_options_of_a_channel_are_tested() -> None:
    a_hook()
    with web_receiver() as web:
        call_command("changechannel", "hook", f"--option=url={web.url}/path")
        assert [one.is_signed for one in web.taken] == [True]
        web.status = 500
        with pytest.raises(CommandError, match=r"is changed, but.*HTTP 500"):
            call_command("changechannel", "hook", f"--option=url={web.url}/other")
    assert options_of(NotificationChannel.objects.get())["url"] == f"{web.url}/other"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "Nothing to change"),
        (["--option=url=nowhere"], "url"),
        (["--mute=nonsense:alarm"], "nonsense:alarm"),
        (["--mute=drills:warning", "--unmute=drills:warning"], "drills:warning"),
        (["--site", "--schedule=nightly"], "nightly|--site"),
        (["--time-zone=Mars", "--disable"], "Mars"),
    ],
)
def test_a_wrong_option_changes_nothing(argv: list[str], said: str) -> None:
    a_hook()
    before = NotificationChannel.objects.values().get()
    with pytest.raises(CommandError, match=said):
        call_command("changechannel", "hook", *argv)
    assert NotificationChannel.objects.values().get() == before


def test_a_lost_secret_is_given_anew(settings: Settings) -> None:
    settings.BACKUP_SECRETS_KEY = [OLD]
    a_hook()
    settings.BACKUP_SECRETS_KEY = [NEW]
    with pytest.raises(CommandError, match="hook"):
        call_command("changechannel", "hook", f"--option=secret={SECRET}", "--untested")
    both = [f"--option=secret={SECRET}", "--option=url=https://other.example/"]
    call_command("changechannel", "hook", *both, "--untested")
    assert options_of(NotificationChannel.objects.get())["url"] == "https://other.example/"


def test_a_channel_is_deleted_with_its_messages_and_those_that_waited_are_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    channel = a_hook()
    Delivery.objects.create(channel=channel, created_at=timezone.now(), next_try_at=timezone.now())
    call_command("deletechannel", "hook", "--json")
    assert json.loads(capsys.readouterr().out)["waiting"] == 1
    assert not (NotificationChannel.objects.exists() or Delivery.objects.exists())
    with pytest.raises(CommandError, match="hook"):
        call_command("deletechannel", "hook")


def test_after_a_rotation_the_old_key_is_needed_no_more(settings: Settings) -> None:
    settings.BACKUP_SECRETS_KEY = [Fernet.generate_key().decode()]
    lost = a_hook("lost")
    settings.BACKUP_SECRETS_KEY = [OLD]
    good = a_hook("good")
    settings.BACKUP_SECRETS_KEY = [NEW, OLD]
    with pytest.raises(CommandError, match="lost") as raised:
        call_command("rotatesecrets")
    assert SECRET not in str(raised.value)
    settings.BACKUP_SECRETS_KEY = [NEW]
    good.refresh_from_db()
    assert options_of(good)["secret"] == SECRET
    assert NotificationChannel.objects.get(pk=lost.pk).config_json == lost.config_json
