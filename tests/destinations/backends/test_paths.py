import pytest

from destinations.exceptions import DestinationConfigError
from destinations.transfer.paths import part_name, part_token, validate_path, validate_prefix

GOOD = [
    "file",
    "backup-tacacs-hq-20260101-000000-manual.tar.gz.age",
    "tacacs-hq/manual/backup.tar.gz",
    "a/b/c/d/e/f/g/h.tar",
    f"{'i' * 64}/{'k' * 32}/{'f' * 128}",
]
BAD = [
    "",
    "/",
    "/etc/passwd",
    "..",
    ".",
    "../file",
    "a/../b",
    "a/./b",
    "a//b",
    "a/",
    "a/..",
    "a.b/file",
    ".hidden",
    "a/.hidden",
    "file.",
    "a..b",
    "upload.part",
    "with space",
    "tab\tname",
    "line\n",
    "null\0byte",
    "back\\slash",
    "C:file",
    "ünicode",
    "\u0661\u0662",
    "a\u2044b",
    "~root",
    "$(id)",
    f"{'i' * 65}/file",
    "f" * 129,
    "a/b/c/d/e/f/g/h/i.tar",
]


@pytest.mark.parametrize("path", GOOD)
def test_a_path_of_plain_names_is_returned_unchanged(path: str) -> None:
    assert validate_path(path) == path


@pytest.mark.parametrize("path", BAD)
def test_a_path_that_could_lead_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(DestinationConfigError, match="is not allowed in a destination") as caught:
        validate_path(path)
    assert caught.value.hint


@pytest.mark.parametrize("prefix", ["", "tacacs-hq", "tacacs-hq/manual"])
def test_a_folder_is_a_prefix(prefix: str) -> None:
    assert validate_prefix(prefix) == prefix


@pytest.mark.parametrize("prefix", ["/", "a/", "/a", "..", "a/../b", "a.b", "a//b"])
def test_a_prefix_that_is_no_folder_is_refused(prefix: str) -> None:
    with pytest.raises(DestinationConfigError, match="is not allowed"):
        validate_prefix(prefix)


def test_the_token_of_an_upload_is_read_back_from_its_temporary_name() -> None:
    assert part_token(part_name("backup.tar.gz", "0b7c-41")) == "0b7c-41"


@pytest.mark.parametrize("name", ["backup.tar.gz", "x.part", ".part", "a b.token.part", "a.to ken.part", "..t.part"])
def test_other_names_have_no_token(name: str) -> None:
    assert part_token(name) is None


@pytest.mark.parametrize("token", ["", "a/b", "a.b", "..", "t" * 65])
def test_a_token_that_is_not_a_plain_name_is_refused(token: str) -> None:
    with pytest.raises(DestinationConfigError, match="token"):
        part_name("file", token)
