"""createkey and recoverykit."""

import re
import stat
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.archive import age
from backups.service.archives.signatures import site_key
from destinations.models import BackupDestination
from tests.support.archives.age_files import IDENTITY, PASSPHRASE, run_age
from tests.support.archives.stored import file_of, stored
from tests.support.call_commands import command, refused
from tests.support.databases.sqlite_files import rows_of
from tests.support.programs import require
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db(transaction=True)


def test_createkey_writes_an_identity_that_age_takes_and_prints_its_recipient(tmp_path: Path) -> None:
    path = tmp_path / "identity.txt"
    recipient = command("createkey", path).out.strip()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert subprocess.run(
        [require("age-keygen"), "-y", path], check=True, capture_output=True, text=True
    ).stdout.strip() == recipient  # fmt: skip
    assert run_age("--decrypt", "-i", path, data=run_age("-r", recipient, data=b"hello")) == b"hello"
    data = command("createkey", tmp_path / "other.txt", "--json").data
    assert data["fingerprint"] == age.fingerprint(data["recipient"])
    assert "AGE-SECRET-KEY" not in str(data)


@pytest.mark.parametrize("what", ["file", "link", "folder"])
def test_createkey_never_overwrites_anything(tmp_path: Path, what: str) -> None:
    path = tmp_path / "identity.txt"
    {
        "file": lambda: path.write_text("mine"),
        "link": lambda: path.symlink_to(tmp_path / "elsewhere"),
        "folder": path.mkdir,
    }[what]()
    assert "exists already, and keys are never overwritten" in refused("createkey", path)
    assert sorted(tmp_path.iterdir()) == [path]
    assert what != "file" or path.read_text() == "mine"


def test_createkey_says_where_it_cannot_write_and_leaves_nothing(tmp_path: Path) -> None:
    assert "cannot be written: No such file or directory" in refused("createkey", tmp_path / "none" / "identity.txt")
    assert "/dev/full exists already" in refused("createkey", "/dev/full")


def lines_of(page: str) -> list[str]:
    return [unescape(line) for line in re.findall(r"<pre>(.*?)</pre>", page)]


def test_the_lines_of_the_recovery_kit_check_and_unpack_the_newest_backup(
    shop: Path, identity: Path, back_up: BackUp, tmp_path: Path
) -> None:
    for program in ("age", "minisign", "tar", "sha256sum"):
        require(program)
    back_up("shop")
    newest = back_up("shop")
    kit = tmp_path / "kit.html"
    command("recoverykit", "shop", "--output", kit)
    page = kit.read_text()
    here = tmp_path / "rescue"
    here.mkdir()
    for suffix in ("", ".minisig"):
        (here / f"{newest.backup_filename}{suffix}").write_bytes(Path(f"{file_of(newest)}{suffix}").read_bytes())
    (here / "identity.txt").write_text(identity.read_text())

    for line in lines_of(page):
        subprocess.run(["bash", "-euc", f"set -o pipefail; {line}"], cwd=here, check=True, capture_output=True)

    assert len(lines_of(page)) == 3
    assert rows_of(here / "orders.db") == rows_of(shop / "orders.db")
    assert stat.S_IMODE(kit.stat().st_mode) == 0o600


def test_backups_that_are_packed_or_encrypted_in_other_ways_have_lines_of_their_own(
    shop: Path, identity: Path, back_up: BackUp, settings: Settings, tmp_path: Path
) -> None:
    for program in ("age", "minisign", "tar", "sha256sum", "zstd"):
        require(program)
    recipients = settings.BACKUP_ENCRYPTION_RECIPIENTS
    settings.BACKUP_ENCRYPTION_RECIPIENTS = []
    plain = back_up("shop")
    settings.BACKUP_ENCRYPTION_RECIPIENTS = recipients
    same = [back_up("shop") for _ in range(2)]
    settings.BACKUP_COMPRESSION = "zstd"
    newest = back_up("shop")
    page = unescape(command("recoverykit", "shop").out)
    ways = [lines_of(page)[start : start + 3] for start in (0, 3, 6)]

    assert len(lines_of(page)) == 9
    for way, execution in zip(ways, (newest, same[1], plain), strict=True):
        here = tmp_path / execution.pk
        here.mkdir()
        for suffix in ("", ".minisig"):
            (here / f"{execution.backup_filename}{suffix}").write_bytes(
                Path(f"{file_of(execution)}{suffix}").read_bytes()
            )
        (here / "identity.txt").write_text(identity.read_text())
        for line in way:
            subprocess.run(["bash", "-euc", f"set -o pipefail; {line}"], cwd=here, check=True, capture_output=True)
        assert rows_of(here / "orders.db") == rows_of(shop / "orders.db")
    assert f"are for:<br><code>{same[0].backup_filename}</code></p>" in page
    programs = ("tar", "minisign", "age", "zstd")
    assert f"a machine with {', '.join(f'<code>{name}</code>' for name in programs)};" in page


def test_a_secret_in_the_line_of_the_program_is_on_paper_only_when_asked_for(
    shop: Path, destination: BackupDestination, settings: Settings
) -> None:
    settings.BACKUP_ENCRYPTION_PROGRAM_DECRYPT = ["gpg", "--passphrase", "hunter2", "--decrypt"]
    stored(destination, "shop", encryption="program")
    assert "gpg --passphrase [hidden] --decrypt < " in unescape(command("recoverykit", "shop").out)
    assert "gpg --passphrase hunter2 --decrypt < " in unescape(command("recoverykit", "shop", "--with-secrets").out)


def test_the_recovery_kit_names_places_files_keys_and_where_files_belong(
    shop: Path, identity: Path, back_up: BackUp, settings: Settings
) -> None:
    executions = [back_up("shop") for _ in range(2)]
    page = unescape(command("recoverykit", "shop").out)

    assert f"nas: {settings.BACKUP_ROOT}/nas" in page
    for execution in executions:
        assert execution.backup_path in page
        assert execution.archive_sha256 in page
    assert site_key().public_key.text in page
    for recipient in settings.BACKUP_ENCRYPTION_RECIPIENTS:
        assert recipient in page
        assert age.fingerprint(recipient) in page
    assert str(shop / "orders.db") in page
    assert "There is no secret on this page." in page


def test_secrets_are_in_it_only_when_they_are_asked_for(
    shop: Path, identity: Path, settings: Settings, back_up: BackUp
) -> None:
    settings.BACKUP_ENCRYPTION_OLD_PASSPHRASES = [PASSPHRASE]
    back_up("shop")
    log = Path(settings.LOG_FILE)
    begin = log.stat().st_size if log.exists() else 0
    without, with_them = command("recoverykit", "shop").out, command("recoverykit", "shop", "--with-secrets").out

    assert not any(secret in without for secret in (IDENTITY, PASSPHRASE, settings.BACKUP_SIGNING_KEY.split()[-1]))
    assert IDENTITY in with_them
    assert PASSPHRASE in with_them
    assert "lock it away" in with_them
    assert settings.BACKUP_SIGNING_KEY.split()[-1] not in with_them
    logged = [line.split()[-1] for line in log.read_text()[begin:].splitlines() if "recoverykit.made" in line]
    assert logged == ["holds=nothing-private", "holds=keys"]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"encryption": "", "compression": "gzip"}, "tar xz < {name}"),
        ({"encryption": "", "compression": "zstd"}, "tar x --zstd < {name}"),
        ({"encryption": "age", "recipients": ["passphrase"]}, "age --decrypt {name} | tar xz"),
        ({"encryption": "age", "recipients": ["0123"]}, "age --decrypt -i identity.txt {name} | tar xz"),
        ({"encryption": "program"}, "gpg --decrypt 'a b' < {name} | tar xz"),
        ({"encryption": "tcbk"}, "# {name} is in the TACACS+ server's own container: open it with that server"),
    ],
)
def test_each_way_of_encryption_has_its_line(
    shop: Path, destination: BackupDestination, settings: Settings, fields: dict[str, object], line: str
) -> None:
    settings.BACKUP_ENCRYPTION_PROGRAM_DECRYPT = ["gpg", "--decrypt", "a b"]
    execution = stored(destination, "shop", **fields)
    assert lines_of(command("recoverykit", "shop").out)[2] == line.format(name=execution.backup_filename)


def test_the_recovery_kit_never_overwrites_and_says_what_is_missing(
    shop: Path, tmp_path: Path, back_up: BackUp, declare: Callable[[str], None]
) -> None:
    assert "There is no backup of shop to write a recovery kit for" in refused("recoverykit", "shop")
    assert "There is no instance 'none'" in refused("recoverykit", "none")
    back_up("shop")
    kit = tmp_path / "kit.html"
    kit.write_text("mine")
    assert "cannot be written: File exists" in refused("recoverykit", "shop", "--output", kit)
    assert kit.read_text() == "mine"


def test_the_kit_names_the_place_of_each_file_also_where_the_configuration_of_the_service_is_broken(
    tacacs_root: Path, back_up: BackUp
) -> None:
    back_up("tacacs-hq")
    page = command("recoverykit", "tacacs-hq").out
    files = "<br>".join(f"<code>{name}</code>" for name in ("config_overrides.db", "tacacs.conf", "config_export.json"))
    paths = "<br>".join(
        f"<code>{tacacs_root / name}</code>" for name in ("data/config_overrides.db", "config/tacacs.conf")
    )
    assert f"<td>{files}</td><td>{paths}</td>" in page
    (tacacs_root / "config" / "tacacs.conf").write_text("broken")
    assert "devices.db" in command("recoverykit", "tacacs-hq").out
