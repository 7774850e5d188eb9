"""Lines of listings, as servers write them."""

from datetime import UTC, datetime

import pytest

from destinations.backends.ftp.listing import parse_list, parse_mlsd
from destinations.backends.remote import Entry


def kind(entry: Entry | None) -> str:
    assert entry is not None
    return "".join(
        letter for letter, holds in (("f", entry.is_file), ("d", entry.is_folder), ("l", entry.is_link)) if holds
    )


@pytest.mark.parametrize(
    ("line", "kind_", "size", "name"),
    [
        ("-rw-------    1 64001    64001     4194304 Nov 27 14:50 backup.tar.gz", "f", 4194304, "backup.tar.gz"),
        ("drwx------    2 full     full           60 Nov  7  2025 manual", "d", 60, "manual"),
        ("-rw-r--r--+   1 a b c   Domain Users  17 Jan  3 12:00  two  spaces ", "f", 17, " two  spaces "),
        ("-rw-r--r--    1 u g 5 Jan  3 12:00 x 7 Feb  4 13:00 y", "f", 5, "x 7 Feb  4 13:00 y"),
        ("lrwxrwxrwx    1 u g 9 Jan  3 12:00 last.tar -> backup.tar", "l", 9, "last.tar"),
        ("-rw-r--r--    1 u g 12 3. Okt 12:00 grüße.tar", "f", 12, "grüße.tar"),
        ("-rw-r--r--    1 u g 12 2026-10-03 12:00 iso.tar", "f", 12, "iso.tar"),
        ("brw-rw----    1 root disk 8, 0 Jan  3 12:00 sda", "", 0, "sda"),
        ("11-27-26  02:50PM       <DIR>          manual", "d", 0, "manual"),
        ("11-27-2026  14:50              4194304 with space.tar", "f", 4194304, "with space.tar"),
    ],
)
def test_list(line: str, kind_: str, size: int, name: str) -> None:
    entry = parse_list(line)
    assert entry is not None
    assert (kind(entry), entry.size, entry.name) == (kind_, size, name)
    assert entry.modified_at is None


@pytest.mark.parametrize("line", ["total 12", "", "drwxr-xr-x 2 u g 60 Nov  7  2025 .."])
def test_lines_of_list_that_are_no_file(line: str) -> None:
    assert parse_list(line) is None


def test_mlsd() -> None:
    entry = parse_mlsd("type=file;size=17;modify=20261127145000.123;UNIX.mode=0600;  with space; and more")
    moment = datetime(2026, 11, 27, 14, 50, tzinfo=UTC)
    assert entry == Entry(" with space; and more", 17, moment, is_file=True, is_folder=False, is_link=False)
    assert kind(parse_mlsd("Type=dir;Modify=20261399999999; manual")) == "d"
    assert kind(parse_mlsd("type=OS.unix=slink:/x;size=3; last.tar")) == "l"
    assert parse_mlsd("type=cdir;modify=20261127145000; .") is None


@pytest.mark.parametrize("line", ["what is this", "-rw-r--r-- u g", "x" * 9000])
def test_a_line_that_is_not_understood_is_an_error_and_not_left_out(line: str) -> None:
    with pytest.raises(ValueError, match=line[:10]):
        parse_list(line)
