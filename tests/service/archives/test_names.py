"""Names of archives are read as they were built, whatever the instance is called."""

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from backups.archive.compression.write import COMPRESSIONS
from backups.archive.encryption import KINDS
from backups.models import BackupExecution
from backups.service.archives.names import (
    ATTEMPTS,
    LEGACY,
    TAKEN_EXTENSIONS,
    archive_extension,
    archive_paths,
    instance_in,
    is_archive,
    is_signature,
    signature_of,
    time_in,
)
from destinations.transfer.paths import part_name, validate_path

INSTANCES = st.one_of(
    st.from_regex(re.compile(r"[A-Za-z0-9_-]{1,48}", re.ASCII), fullmatch=True), st.just("a-20260101-010101-b")
)
MOMENTS = st.integers(946_684_800, 7_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
ENDINGS = st.sampled_from([archive_extension(one, other) for one in COMPRESSIONS for other in ("", LEGACY, *KINDS)])


@given(INSTANCES, st.sampled_from(BackupExecution.Kind.values), MOMENTS, ENDINGS, st.integers(0, ATTEMPTS - 1))
def test_a_name_is_read_as_it_was_built(instance: str, kind: str, moment: datetime, ending: str, attempt: int) -> None:
    path = list(archive_paths(instance, kind, moment, ending))[attempt]
    name = PurePosixPath(path).name
    assert validate_path(path) == path
    assert (instance_in(name), time_in(name), is_archive(path)) == (instance, moment, True)
    signature = signature_of(path)
    assert is_signature(signature, {path}) and not is_signature(signature, {f"{path}x"}) and not is_archive(signature)
    assert not is_archive(part_name(path, "token"))


def test_the_paths_of_one_archive_differ_in_a_number_and_are_in_utc() -> None:
    moment = datetime(2026, 3, 31, 4, 5, 6, tzinfo=timezone(timedelta(hours=2)))
    paths = list(archive_paths("hq", "manual", moment, ".tar.gz"))
    assert paths[0] == "hq/manual/backup-hq-20260331-020506-manual.tar.gz"
    assert paths[1] == "hq/manual/backup-hq-20260331-020506-manual-2.tar.gz"
    assert len(set(paths)) == ATTEMPTS


@pytest.mark.parametrize(
    "name", ["backup-hq-20261331-020000-manual.tar.gz", "renamed.tar.gz", "-20260331-020000-manual.zip"]
)
def test_a_name_of_another_form_says_no_time(name: str) -> None:
    assert time_in(name) is None


def test_an_ending_belongs_to_the_compression_and_the_encryption(settings: Settings) -> None:
    settings.BACKUP_ENCRYPTION_PROGRAM_EXTENSION = ".pgp"
    assert archive_extension("zstd", "age") == ".tar.zst.age"
    assert archive_extension("gzip", "program") == ".tar.gz.pgp"
    assert archive_extension("gzip", LEGACY) == ".tar.gz.enc"
    assert is_archive("a.tgz.pgp") and not is_archive("a.tgz.gpg") and not is_archive("notes.txt")


def test_an_encryption_program_may_have_no_ending_that_means_something() -> None:
    built = {ending for one in COMPRESSIONS for ending in re.findall(r"\.[a-z]+", archive_extension(one, LEGACY))}
    assert built | {signature_of(""), part_name("", "t")[2:]} <= set(TAKEN_EXTENSIONS)
