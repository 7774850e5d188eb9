"""Answers of an FTP server, of several lines and without an end."""

import ftplib
from collections.abc import Iterable
from contextlib import nullcontext

import pytest

from destinations.backends.ftp import client
from destinations.backends.ftp.control import Control


def answered(lines: Iterable[str], monkeypatch: pytest.MonkeyPatch) -> Control:
    """Return a connection on which these lines come."""
    rest = iter(lines)
    monkeypatch.setattr(Control, "getline", lambda self: next(rest))
    return Control.__new__(Control)


@pytest.mark.parametrize(
    "lines",
    [
        ["220 Hello"],
        ["220-Hello", "220-again", "221 is no end", " 220 neither", "220 Come in"],
        ["211-Features:", " MLST", "211 End"],
    ],
)
def test_an_answer_ends_with_the_line_of_its_code(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    control = answered([*lines, "of the next answer"], monkeypatch)
    assert control.getmultiline() == "\n".join(lines)
    assert control.getmultiline() == "of the next answer"


def test_a_listing_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless:
        def recv(self, size: int) -> bytes:
            return b"type=file;size=1; a.tar\r\n" * 10

    monkeypatch.setattr(client, "MOST_ENTRIES", 100)
    monkeypatch.setattr(client.Client, "transfer", lambda self, command: nullcontext(Endless()))
    with pytest.raises(ftplib.error_proto, match="more than 100 entries"):
        list(client.Client.__new__(client.Client).lines("MLSD"))


def test_an_answer_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    control = answered(iter(lambda: "220-more", ""), monkeypatch)
    with pytest.raises(ftplib.error_proto, match="no end"):
        control.getmultiline()
