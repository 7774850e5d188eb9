"""Notices that are sent directly: to whom, when, and what happens when nobody takes them."""

import io
import json
import os
import time
from pathlib import Path

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from pytest_django import Settings

from backups.outside.management.base import CheckOverdue
from backups.outside.memory import Memory
from backups.outside.problem import Problem, Severity
from backups.outside.send import Receivers, send_directly
from tests.destinations.test_database_errors import fill
from tests.outside.receiver import Receiver
from tests.support.call_commands import Ended
from tests.support.file_systems import small_disk

LATE = Problem(Severity.CRITICAL, "shop/overdue", "The backup of shop is late.", "Look.")
SILENT = Problem(Severity.CRITICAL, "worker-silent", "No worker answers.", is_silence=True)
RISK = Problem(Severity.WARNING, "shop/never-drilled", "Never drilled.")


class Watch:
    """The command over problems that a test chooses."""

    def __init__(self, memory: Path) -> None:
        self.problems: list[Problem] = []
        self.memory: Path | None = memory

    def run(self, *arguments: str) -> Ended:
        problems = list(self.problems)

        class Command(CheckOverdue):
            def look(self, **_: object) -> list[Problem]:
                return list(problems)

        out = io.StringIO()
        try:
            memory = [] if self.memory is None else ["--memory", str(self.memory)]
            call_command(Command(), *memory, *arguments, stdout=out)
        except CommandError as error:
            return Ended(error.returncode, out.getvalue(), str(error))
        except SystemExit as ended:
            return Ended(int(ended.code or 0), out.getvalue(), "")
        return Ended(0, out.getvalue(), "")


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path / "memory.json")


def test_one_line_and_the_code_of_the_worst_problem(watch: Watch) -> None:
    assert watch.run().code == 0
    watch.problems = [RISK, LATE]
    ended = watch.run()
    assert (ended.code, ended.out) == (2, "CRITICAL: The backup of shop is late. Look.\n")
    assert len(watch.run("--at-risk").out.splitlines()) == 2
    watch.problems = [RISK]
    assert watch.run().code == 0
    ended = watch.run("--at-risk", "--json")
    assert ended.code == 1
    assert ended.data["exit_code"] == 1
    assert [problem["key"] for problem in ended.data["problems"]] == ["shop/never-drilled"]


def test_a_cause_is_told_once_and_its_end_once(watch: Watch, receiver: Receiver) -> None:
    told = ["--webhook", receiver.url]
    watch.run(*told)
    assert receiver.got == []
    watch.problems = [LATE]
    for _ in range(3):
        assert watch.run(*told).code == 2
    assert len(receiver.got) == 1
    assert "The backup of shop is late." in receiver.body()["text"]
    assert [problem["key"] for problem in receiver.body()["problems"]] == ["shop/overdue"]
    watch.problems = [LATE, SILENT]
    watch.run(*told)
    assert len(receiver.got) == 2
    watch.problems = [SILENT]
    watch.run(*told)
    assert len(receiver.got) == 2
    watch.problems = []
    for _ in range(2):
        assert watch.run(*told).code == 0
    assert len(receiver.got) == 3
    assert receiver.body()["problems"] == []


def test_a_cause_that_ended_while_another_stays_is_news_when_it_comes_again(watch: Watch, receiver: Receiver) -> None:
    told = ["--webhook", receiver.url]
    for problems in ([LATE, SILENT], [SILENT], [LATE, SILENT]):
        watch.problems = list(problems)
        watch.run(*told)
    assert len(receiver.got) == 2


def test_a_reminder_comes_after_the_interval_and_when_the_clock_was_set_back(watch: Watch, receiver: Receiver) -> None:
    watch.problems = [LATE]
    told = ["--webhook", receiver.url, "--repeat", "2"]
    watch.run(*told)
    for then, number in ((time.time() - 7000, 1), (time.time() - 7300, 2), (time.time() + 500, 3)):
        assert watch.memory is not None
        watch.memory.write_text(json.dumps({"keys": [LATE.key], "told_at": then}))
        watch.run(*told)
        assert len(receiver.got) == number


def test_with_only_silence_the_site_reports_the_rest_itself(watch: Watch, receiver: Receiver) -> None:
    watch.problems = [LATE]
    assert watch.run("--webhook", receiver.url, "--only-silence").code == 2
    assert receiver.got == []
    watch.problems = [LATE, SILENT]
    watch.run("--webhook", receiver.url, "--only-silence")
    assert [problem["key"] for problem in receiver.body()["problems"]] == ["worker-silent"]


def test_a_ping_says_each_time_whether_all_is_well(watch: Watch, receiver: Receiver) -> None:
    ping = ["--ping", f"{receiver.url}/uuid?run=1"]
    watch.run(*ping)
    watch.problems = [LATE]
    watch.run(*ping)
    watch.run(*ping)
    assert receiver.paths == ["/uuid?run=1", "/uuid/fail?run=1", "/uuid/fail?run=1"]
    assert b"The backup of shop is late." in receiver.got[1][3]


def test_a_notice_that_is_not_taken_is_tried_again_by_this_look_and_by_the_next(
    watch: Watch, receiver: Receiver
) -> None:
    watch.problems = [LATE]
    receiver.answers = [(500, b""), (500, b""), (503, b""), (200, b"")]
    ended = watch.run("--webhook", f"{receiver.url}/canary")
    assert "was not sent" in ended.out
    assert "canary" not in ended.out + ended.err
    assert ended.code == 2
    ended = watch.run("--webhook", receiver.url)
    assert "was not sent" not in ended.out
    assert len(receiver.got) == 4
    receiver.answers = [(500, b"")]
    watch.problems = []
    assert watch.run("--webhook", receiver.url).code == 3


def test_an_address_is_read_from_a_file(watch: Watch, receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"{receiver.url}/secret\n")
    watch.problems = [LATE]
    watch.run("--webhook", str(tmp_path / "url"))
    assert receiver.paths == ["/secret"]


@pytest.mark.parametrize(
    "option", [["--timeout", "0"], ["--webhook", "nonsense"], ["--ping", "/no/file"], ["--mail", "a@example.org"]]
)
def test_what_keeps_it_from_looking_is_an_error_with_code_3(
    watch: Watch, settings: Settings, option: list[str]
) -> None:
    settings.EMAIL_HOST = ""
    ended = watch.run(*option)
    assert ended.code == 3
    assert ended.out == ""


def test_where_nothing_can_be_remembered_each_look_sends(watch: Watch, receiver: Receiver, tmp_path: Path) -> None:
    watch.memory = tmp_path / "no folder" / "memory.json"
    watch.problems = [LATE]
    for _ in range(2):
        ended = watch.run("--webhook", receiver.url)
        assert "cannot be remembered" in ended.out
    assert len(receiver.got) == 2


def test_a_memory_of_somebody_else_is_not_believed(tmp_path: Path) -> None:
    mine = Memory(tmp_path / "memory", 3600)
    assert mine.keep([LATE]) == ""
    assert not mine.is_news([LATE])
    assert oct(mine.path.stat().st_mode & 0o777) == "0o600"
    link = tmp_path / "link"
    link.symlink_to(mine.path)
    assert Memory(link, 3600).is_news([LATE])
    if os.geteuid() == 0:
        os.chown(mine.path, 12345, 12345)
        assert mine.is_news([LATE])
    mine.path.unlink()
    mine.path.write_text("{}")
    assert mine.is_news([LATE])


def test_mail_goes_by_the_mail_settings(settings: Settings) -> None:
    settings.EMAIL_HOST = "localhost"
    failed = send_directly([LATE], Receivers(mail=["a@example.org", "b@example.org"]), site="hq", seconds=1)
    assert failed == []
    (message,) = mail.outbox
    assert message.to == ["a@example.org", "b@example.org"]
    assert "hq" in message.subject
    assert LATE.line in message.body


def test_a_mail_server_that_is_away_is_named_and_nothing_is_raised(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    (problem,) = send_directly([LATE], Receivers(mail=["a@example.org"]), site="hq", seconds=1)
    assert problem.severity is Severity.UNKNOWN
    assert "127.0.0.1" in problem.text


def test_a_full_folder_for_temporary_files_keeps_no_notice_from_being_sent(
    watch: Watch, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "disk", megabytes=0.1) as disk:
        monkeypatch.setenv("TMPDIR", str(disk))
        fill(disk)
        watch.memory, watch.problems = None, [SILENT]
        assert watch.run("--webhook", receiver.url).code == 2
    assert len(receiver.got) == 1
