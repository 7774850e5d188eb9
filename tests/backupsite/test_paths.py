"""The secrets of the site that are made once and kept in files."""

import stat
from pathlib import Path

from backups.archive.minisign import parse_signing_key
from backupsite import paths


def test_a_generated_secret_is_private_and_never_made_again(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    assert paths.generated_secret(path, lambda: "first") == "first"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert paths.generated_secret(path, lambda: "second") == "first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_the_signing_key_is_one_that_is_read_again(tmp_path: Path) -> None:
    made = paths.signing_key(tmp_path)
    assert paths.signing_key(tmp_path) == made
    assert parse_signing_key(made, "signing.key").file_text.rstrip() == made
