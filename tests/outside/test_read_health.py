"""What a watch on another machine makes of the answers of a site, and of what is no answer of one."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from backups.outside.problem import Problem, Severity, worst
from backups.outside.read_health import problems_at, read_token
from destinations.lib.operator_error import OperatorError
from tests.outside.receiver import Receiver

REASON = {
    "code": "overdue", "subject": "", "level": "unprotected", "urgent": True, "text": "It is late.", "hint": "Look.",
    "since": None, "accepted": None,
}  # fmt: skip
SILENT = REASON | {"code": "worker-silent", "subject": "backups", "level": "at-risk", "text": "No worker answers."}
FAILING: dict[str, Any] = {"status": "failing", "level": "unprotected", "site": [], "instances": []}


def shop(*reasons: dict[str, Any]) -> dict[str, Any]:
    return FAILING | {"instances": [{"instance": "shop", "reasons": list(reasons)}]}


def found(receiver: Receiver, status: int, body: object, *, token: str = "") -> list[tuple[Severity, str, bool]]:
    receiver.answers = [(status, body if isinstance(body, bytes) else json.dumps(body).encode())]
    problems = problems_at(f"{receiver.url}/health", token=token, seconds=5)
    assert all(problem.text.endswith(".") and problem.line.isprintable() for problem in problems)
    return [(problem.severity, problem.key, problem.is_silence) for problem in problems]


CRITICAL, UNKNOWN, WARNING = Severity.CRITICAL, Severity.UNKNOWN, Severity.WARNING


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"status": "ok", "level": "at-risk"}, []),
        (503, {"status": "failing", "level": "unprotected"}, [(CRITICAL, "failing", True)]),
        (503, {"status": "failing", "level": "unknown", "error": "Gone."}, [(CRITICAL, "database-unusable", True)]),
        (503, shop(REASON), [(CRITICAL, "shop/overdue", False)]),
        (200, shop(REASON | {"urgent": False, "subject": "nas"}), [(WARNING, "shop/overdue/nas", False)]),
        (503, shop(REASON | {"accepted": {"until": "2027-01-01"}}), []),
        (503, FAILING | {"site": [SILENT]}, [(CRITICAL, "worker-silent/backups", True)]),
        (401, b"Send the header.", [(UNKNOWN, "site-refuses", True)]),
        (403, b"", [(UNKNOWN, "site-refuses", True)]),
        (404, b"<html>", [(UNKNOWN, "site-unknown", True)]),
        (200, b"<html>a page that a proxy shows</html>", [(UNKNOWN, "site-unknown", True)]),
        (200, [1], [(UNKNOWN, "site-unknown", True)]),
        (200, {"status": "fine"}, [(UNKNOWN, "site-unknown", True)]),
        (200, {"status": "ok", "level": "protected", "instances": [{}], "site": []}, [(UNKNOWN, "site-unknown", True)]),
        (200, {"status": "ok", "level": "unknown", "error": 5}, [(UNKNOWN, "site-unknown", True)]),
        (200, b'{"status": "ok", "level": ' + b"[" * 100_000, [(UNKNOWN, "site-unknown", True)]),
        (503, shop(REASON | {"text": 5}), [(CRITICAL, "site-unknown", True)]),
        (503, shop(REASON | {"text": "Late\nBcc: eve@example.net \ud800."}), [(CRITICAL, "shop/overdue", False)]),
        (502, b"Bad gateway", [(CRITICAL, "site-unknown", True)]),
        (302, b"", [(UNKNOWN, "site-unknown", True)]),
    ],
)
def test_each_answer_has_one_meaning(receiver: Receiver, status: int, body: object, expected: object) -> None:
    receiver.headers = {"Location": f"{receiver.url}/elsewhere"} if status == 302 else {}
    assert found(receiver, status, body) == expected
    assert receiver.paths == ["/health"], "a redirect is not followed: the token would go there too"


def test_the_token_is_sent_as_a_header(receiver: Receiver) -> None:
    found(receiver, 200, {"status": "ok", "level": "protected"}, token="canary")
    ((_, path, headers, _),) = receiver.got
    assert (path, headers["Authorization"]) == ("/health", "Bearer canary")


@pytest.mark.parametrize("listening", [False, True])
def test_a_site_that_does_not_answer_is_silent(listening: bool) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listening:
            server.listen()
        (problem,) = problems_at(f"http://127.0.0.1:{server.getsockname()[1]}/health", seconds=0.2)
    assert (problem.severity, problem.key, problem.is_silence) == (CRITICAL, "site-silent", True)


@pytest.mark.parametrize(
    "url",
    [
        "backup.example.org/health",
        "ftp://a/health",
        "https://",
        "https://bob:canary@a/",
        "https://a b/",
        "https://a:0/",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(OperatorError) as raised:
        problems_at(url, seconds=1)
    assert "canary" not in raised.value.text


def test_the_token_is_never_sent_without_encryption() -> None:
    with pytest.raises(OperatorError, match="without encryption"):
        problems_at("http://backup.example.org/health", token="canary", seconds=1)


@pytest.mark.parametrize("content", [b"", b" \n", b"two words\nlines", b"\xff\xfe", "tökén".encode()])
def test_a_token_file_without_a_token_is_refused_without_repeating_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(OperatorError) as raised:
        read_token(tmp_path / "token")
    assert "lines" not in raised.value.text


def test_a_token_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="nothing cannot be read: No such file"):
        read_token(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("severities", "code"), [([], 0), ([1], 1), ([1, 2], 2), ([3, 1], 3), ([3, 2], 2), ([2, 3, 1], 2)]
)
def test_what_is_critical_counts_more_than_what_is_not_known(severities: list[int], code: int) -> None:
    assert worst(Problem(Severity(number), "x", "x.") for number in severities) == code


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), ("no certificate", "holds no certificate")])
def test_a_file_of_an_authority_that_cannot_be_used_is_named(tmp_path: Path, content: str | None, reason: str) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(OperatorError, match=reason) as raised:
        problems_at("https://localhost/health", seconds=1, ca_file=file)
    assert str(file) in raised.value.message
