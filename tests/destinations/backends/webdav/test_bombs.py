"""Answers to PROPFIND that are made to fill memory, or to end the program that reads them."""

from datetime import UTC, datetime

import pytest

from destinations.backends.webdav import multistatus
from destinations.backends.webdav.multistatus import Multistatus, Resource

BEGIN = b'<?xml version="1.0"?><d:multistatus xmlns:d="DAV:">'
FILE = b"<d:response><d:href>/a</d:href></d:response>"


def read(*blocks: bytes) -> list[Resource]:
    answer = Multistatus()
    return [found for block in blocks for found in answer.feed(block)]


@pytest.mark.parametrize(
    ("blocks", "says"),
    [
        ([b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaa"><!ENTITY b "&a;&a;">]><a>&b;</a>'], "document type"),
        ([b'<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'], "document type"),
        ([BEGIN, *[b"<d:a>"] * 100], "nested"),
        ([BEGIN, b"<d:response><d:href>", *[b"a" * 1000] * 20], "no end"),
        ([BEGIN, *[FILE] * 10], "more than 5 files"),
        ([BEGIN, b"<d:response><d:href>http://[x</d:href>"], "IPv6"),
    ],
)
def test_an_answer_that_is_none_is_refused(blocks: list[bytes], says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multistatus, "MOST_RESOURCES", 5)
    with pytest.raises(ValueError, match=says):
        read(*blocks)


def test_properties_that_were_not_asked_for_are_not_kept() -> None:
    names = b"".join(b"<d:x%d>y</d:x%d>" % (number, number) for number in range(1000))
    ok = b"<d:status>HTTP/1.1 200 OK</d:status>"
    head = b"<d:response><d:href>/a</d:href><d:propstat><d:prop>"
    tail = b"<d:getcontentlength>7</d:getcontentlength></d:prop>" + ok + b"</d:propstat></d:response>"
    (found,) = read(BEGIN, head, names, tail)
    assert found.properties == {"getcontentlength": "7"}


@pytest.mark.parametrize("number", ["\u00b2", "9" * 5000, "-1", "1e3", "", "0x10"])
def test_a_number_that_is_none_is_no_size(number: str) -> None:
    properties = {"getcontentlength": number, "quota-available-bytes": number}
    found = Resource(properties=properties)
    assert (found.size, found.available) == (0, None)


@pytest.mark.parametrize(
    "date", ["Fri, 31 Dec 9999 23:59:59 -1200", "Mon, 01 Jan 0001 00:00:00 +1200", "yesterday", "Fri, 99 Nov 2026 x"]
)
def test_a_time_beyond_the_calendar_is_no_time(date: str) -> None:
    moment = Resource(properties={"getlastmodified": date}).modified_at
    assert moment is None or moment < datetime(2100, 1, 1, tzinfo=UTC)
