import pytest
from pytest_django import Settings

from backups.checks.notifications import check_mail, check_settings
from backups.models import NotificationChannel


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("BACKUP_SITE_URL", "backup.example.net", ["backups.E090"]),
        ("BACKUP_SITE_URL", "https://backup.example.net/site", []),
        ("BACKUP_SITE_URL", "", []),
        ("BACKUP_REMIND_HOURS", -1, ["backups.E091"]),
    ],
)
def test_settings_of_notifications_are_checked(
    settings: Settings, name: str, value: object, expected: list[str]
) -> None:
    setattr(settings, name, value)
    assert [message.id for message in check_settings(None)] == expected


@pytest.mark.django_db
def test_a_channel_for_mail_without_a_mail_server_is_found(settings: Settings) -> None:
    settings.EMAIL_HOST = ""
    assert check_mail(None, ["default"]) == []
    NotificationChannel.objects.create(name="ops", kind="mail")
    assert [message.id for message in check_mail(None, ["default"])] == ["backups.W090"]
    assert check_mail(None) == []
    settings.EMAIL_HOST = "mail.example.net"
    assert check_mail(None, ["default"]) == []
