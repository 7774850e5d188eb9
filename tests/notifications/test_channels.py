"""Each kind of channel against a real receiver: what it gets, and what becomes of a message that it refuses."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from pytest_django import Settings

from backups.errors import NotDelivered
from backups.models import Delivery, NotificationChannel
from backups.notifications.channels import KINDS, configure, open_channel, options_of
from backups.notifications.deliveries import send_test
from backups.notifications.message import Message, Progress
from destinations.exceptions import DestinationConfigError
from tests.notifications.conftest import Add
from tests.support.servers.receivers import SECRET, MailReceiver, WebReceiver

AT = datetime(2026, 11, 27, 20, tzinfo=UTC)
MESSAGE = Message("id-1", "message", AT, "alarm", "Alarm: shop", "It failed.\nMore.", ({"event": "failed"},))


def test_every_kind_of_the_model_is_in_the_registry() -> None:
    assert list(KINDS) == [kind.value for kind in NotificationChannel.Kind]
    assert [kind.type for kind in KINDS.values()] == list(KINDS)


def test_a_webhook_is_json_with_a_signature_that_the_receiver_can_check(web: WebReceiver, add: Add) -> None:
    channel = add("webhook", {"url": f"{web.url}/in?a=b", "secret": SECRET})
    progress = Progress()
    open_channel(channel).send(MESSAGE, progress)
    [got] = web.taken
    assert got.is_signed
    assert (got.path, got.headers["webhook-id"], got.headers["content-type"]) == ("/in?a=b", "id-1", "application/json")
    assert abs(int(got.headers["webhook-timestamp"]) - datetime.now(UTC).timestamp()) < 60
    assert got.json == {
        "type": "backupsite.message",
        "timestamp": AT.isoformat(),
        "data": {
            "level": "alarm", "subject": "Alarm: shop", "text": "It failed.\nMore.", "link": "",
            "items": [{"event": "failed"}],
        },
    }  # fmt: skip
    assert progress.done
    got.body += b" "
    assert not got.is_signed


@pytest.mark.parametrize(
    ("status", "location", "said"),
    [
        (500, "", "HTTP 500"),
        (404, "", "HTTP 404"),
        (302, "/elsewhere", "redirection"),
        (307, "/elsewhere", "redirection"),
    ],
)
def test_a_webhook_that_is_refused_or_redirected_is_not_delivered(
    web: WebReceiver, add: Add, status: int, location: str, said: str
) -> None:
    web.status, web.location, web.answer = status, location, b"no such hook"
    channel = add("webhook", {"url": f"{web.url}/hook/token-of-the-path", "secret": SECRET})
    with pytest.raises(NotDelivered, match=said) as raised:
        open_channel(channel).send(MESSAGE, Progress())
    assert "token-of-the-path" not in raised.value.text
    assert ("no such hook" in raised.value.text) is (status >= 400)
    assert len(web.refused) == 1


def test_nothing_that_listens_is_one_clear_error(add: Add) -> None:
    for kind, options in (
        ("webhook", {"url": "http://127.0.0.1:9/secret-path", "secret": SECRET}),
        ("ping", {"url": "http://127.0.0.1:9/secret-path"}),
        ("apprise", {"urls": "json://127.0.0.1:9/secret-path"}),
    ):
        with pytest.raises(NotDelivered) as raised:
            open_channel(add(kind, options)).send(MESSAGE, Progress())
        assert "secret-path" not in raised.value.text


def test_a_login_in_the_url_is_sent_and_never_shown(web: WebReceiver, add: Add) -> None:
    url = web.url.replace("http://", "http://user:p%40ss@")
    channel = add("webhook", {"url": url, "secret": SECRET})
    opened = open_channel(channel)
    opened.send(MESSAGE, Progress())
    assert web.taken[0].headers["authorization"] == "Basic dXNlcjpwQHNz"
    assert opened.recipient() == web.url


@pytest.mark.parametrize(
    ("kind", "options", "option"),
    [
        ("webhook", {"url": "ftp://host/", "secret": SECRET}, "url"),
        ("webhook", {"url": "http://169.254.169.254/latest", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://host/", "secret": "short"}, "secret"),
        ("webhook", {"url": "https://host/"}, "secret"),
        ("webhook", {"url": "https://host/", "secret": SECRET, "ca_file": "ca.pem"}, "ca_file"),
        ("ping", {"url": "host"}, "url"),
        ("mail", {"recipients": "ops@example.net, nobody"}, "recipients"),
        ("mail", {"recipients": "  "}, "recipients"),
        ("apprise", {"urls": "nothing://host"}, "urls"),
        ("apprise", {"urls": "syslog://"}, "urls"),
        ("apprise", {"urls": "json://169.254.169.254/latest"}, "urls"),
        ("mail", {"recipients": "ops@example.net", "colour": "red"}, "colour"),
    ],
)
def test_a_wrong_option_is_named_and_its_value_is_not_repeated(
    add: Add, kind: str, options: dict[str, object], option: str
) -> None:
    with pytest.raises(DestinationConfigError) as raised:
        add(kind, options)
    assert raised.value.option == option
    assert raised.value.hint
    assert SECRET not in raised.value.text


def test_a_ping_says_start_success_and_failure_of_one_run(web: WebReceiver, add: Add) -> None:
    opened = open_channel(add("ping", {"url": f"{web.url}/uuid/"}))
    run = "0a1b2c3d-0000-4000-8000-000000000000"
    for signal, text in (("start", ""), ("success", ""), ("fail", "The disk is full.")):
        opened.send(Message("id", "ping", AT, "information", "", text, signal=signal, run=run), Progress())
    assert [(got.path, got.body) for got in web.taken] == [
        (f"/uuid/start?rid={run}", b""), (f"/uuid?rid={run}", b""), (f"/uuid/fail?rid={run}", b"The disk is full.")
    ]  # fmt: skip


def test_a_ping_that_the_service_does_not_know_is_not_taken_for_delivered(web: WebReceiver, add: Add) -> None:
    web.answer = b"OK (not found)"
    with pytest.raises(NotDelivered, match="not found"):
        open_channel(add("ping", {"url": f"{web.url}/gone"})).send(MESSAGE, Progress())


def test_apprise_sends_to_each_url_and_again_only_to_those_that_failed(web: WebReceiver, add: Add) -> None:
    base = web.url.replace("http://", "json://")
    channel = add("apprise", {"urls": f"{base}/first\njson://127.0.0.1:9/token-of-the-second"})
    progress = Progress()
    for _ in range(2):
        with pytest.raises(NotDelivered, match="Line 2") as raised:
            open_channel(channel).send(MESSAGE, progress)
        assert "token-of-the-second" not in raised.value.text
    [got] = web.taken
    assert (got.path, got.json["title"], got.json["type"]) == ("/first", "Alarm: shop", "failure")
    assert "It failed." in got.json["message"]
    assert "first" not in "".join(progress.done)


def test_mail_goes_to_each_recipient_and_again_only_to_those_who_were_refused(mail: MailReceiver, add: Add) -> None:
    mail.refused = {"gone@example.net"}
    channel = add("mail", {"recipients": "gone@example.net; ops@example.net", "subject_prefix": "[lab]"})
    progress = Progress()
    for _ in range(2):
        with pytest.raises(NotDelivered, match="refuses gone@example"):
            open_channel(channel).send(MESSAGE, progress)
    [(address, got)] = mail.mails
    assert (address, got["To"], got["From"]) == ("ops@example.net", "ops@example.net", "backupsite@example.net")
    assert (got["Subject"], got["Auto-Submitted"]) == ("[lab] Alarm: shop", "auto-generated")
    mail.refused = set()
    open_channel(channel).send(MESSAGE, progress)
    assert [address for address, _ in mail.mails] == ["ops@example.net", "gone@example.net"]
    first, second = (mail["Message-ID"] for _, mail in mail.mails)
    assert first != second


def test_without_a_mail_server_the_setting_is_named(settings: Settings, add: Add) -> None:
    settings.EMAIL_HOST = ""
    with pytest.raises(NotDelivered) as raised:
        open_channel(add("mail", {"recipients": "ops@example.net"})).send(MESSAGE, Progress())
    assert "EMAIL_HOST" in raised.value.hint


def test_what_is_secret_lies_sealed_in_the_database(add: Add) -> None:
    channel = add("webhook", {"url": "https://host/secret-path", "secret": SECRET})
    apprise = add("apprise", {"urls": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT config_json FROM backup_notification_channels")
        stored = str(cursor.fetchall())
    assert "secret-path" not in stored
    assert SECRET not in stored
    assert "T1JJ3T3L2" not in stored
    assert options_of(channel)["secret"] == SECRET
    assert "T1JJ3T3L2" not in open_channel(apprise).recipient()


def test_a_test_is_recorded_with_what_became_of_it(web: WebReceiver, hook: NotificationChannel) -> None:
    good = send_test(hook, by="ada")
    assert (good.state, good.kind, good.answer) == ("sent", "test", "HTTP 200")
    web.status = 503
    bad = Delivery.objects.get(pk=send_test(hook, by="ada").pk)
    assert (bad.state, "HTTP 503" in bad.error, bad.attempts) == ("given up", True, 1)
    assert [got.json["type"] for got in (*web.taken, *web.refused)] == ["backupsite.test"] * 2
    configure(hook, {"url": f"{web.url}/x", "secret": SECRET})
