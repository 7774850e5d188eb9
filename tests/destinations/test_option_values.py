"""Values that form fields take and that no server can be given."""

import pytest

from destinations.backends import destination_class
from destinations.exceptions import DestinationConfigError

SFTP = {"host": "nas.example", "username": "u", "password": "x", "known_hosts_file": "/k", "base_path": "x"}
S3 = {"bucket_name": "backups", "access_key": "a", "secret_key": "b"}


@pytest.mark.parametrize(
    ("type", "option", "value"),
    [
        ("sftp", "password", "secret-canary\udcff"),
        ("sftp", "password", "secret-canary\r"),
        ("sftp", "username", "u\udcff"),
        ("sftp", "read_back", "maybe"),
        ("s3", "secret_key", "secret-canary\udcff"),
        ("s3", "secret_key", "secret-canary\r\nX-Header: 1"),
        ("s3", "access_key", "a\r\nX-Header: 1"),
        ("s3", "security_token", "secret-canary\nX-Header: 1"),
        ("s3", "storage_class", "STANDARD\r\nX-Header: 1"),
    ],
)
def test_a_value_that_is_no_line_of_text_is_refused_with_its_option(type: str, option: str, value: str) -> None:
    given = {**(SFTP if type == "sftp" else S3), option: value}
    with pytest.raises(DestinationConfigError) as caught:
        destination_class(type).clean(given)
    assert caught.value.option == option
    assert "secret-canary" not in caught.value.text


@pytest.mark.parametrize(
    ("word", "is_on"), [("no", False), ("off", False), ("False", False), ("yes", True), ("1", True)]
)
def test_a_switch_means_what_it_says(word: str, is_on: bool) -> None:
    assert destination_class("sftp").clean({**SFTP, "read_back": word})["read_back"] is is_on


def test_line_breaks_at_the_ends_are_no_part_of_a_value() -> None:
    assert destination_class("s3").clean({**S3, "secret_key": "b\r\n"})["secret_key"] == "b"


def test_a_text_of_several_lines_stays_one() -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----"
    assert destination_class("sftp").clean({**SFTP, "private_key": key})["private_key"] == key
