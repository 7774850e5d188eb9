"""Nothing from outside moves the cursor, sets the title or forges a line of the output of a command."""

import io
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management.color import color_style

from backups.archive.tar.write import write_archive
from backupsite.logs import RedactingFormatter
from destinations.lib.terminal import Output
from tests.support.archives.crafted import manifest_of, parts_of
from tests.support.call_commands import command
from tests.support.site_fixtures import BackUp, Declare

CODES = "\x1b]0;owned\x07 \x9b2J\r\nforged     line \u202etxt\x08"
SHOP = '[shop]\nkind = "generic"\nroot = "{0}"\n[shop.components.shop]\nkind = "files"\npath = "a"\n'


def is_harmless(text: str) -> bool:
    lines = text.split("\n")
    return all(map(str.isprintable, lines)) and not any(line.startswith("forged") for line in lines)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """An archive whose manifest has codes wherever a text may stand."""
    files = {"a": b"x"}
    manifest = manifest_of(files)
    entries = tuple(replace(entry, component=CODES) for entry in manifest.contents)
    hostile = replace(
        manifest, hostname=CODES, triggered_by=CODES, instance_name=CODES, application=CODES, warnings=(CODES,),
        backup_type=CODES, contents=entries,
    )  # fmt: skip
    target = io.BytesIO()
    write_archive(target, hostile, parts_of(files, tmp_path / "parts"), compression="gzip", level=1)
    path = tmp_path / "backup-shop-20261123-014443-manual.tar.gz"
    path.write_bytes(target.getvalue())
    return path


@pytest.mark.django_db
@pytest.mark.parametrize(
    "arguments",
    [("showbackup",), ("verifybackup",), ("restore", "--instance=shop"), ("restore", "--instance=shop", "--dry-run")],
)
def test_of_a_foreign_archive_no_code_reaches_the_terminal(
    arguments: tuple[str, ...], hostile: Path, declare: Declare, tmp_path: Path
) -> None:
    declare(SHOP.format(tmp_path / "parts"))
    ended = command(*arguments, "--file", hostile)
    assert is_harmless(ended.out) and is_harmless(ended.err)
    assert arguments[0] == "verifybackup" or "owned" in ended.out + ended.err


@pytest.mark.django_db
def test_comments_and_reasons_of_pins_are_one_line_without_codes(back_up: BackUp, tacacs_root: Path) -> None:
    backup = back_up()
    backup.comment = f"comment {CODES}"
    backup.save()
    pinned = command("pinbackup", backup.pk, "--reason", f"reason {CODES}")
    shown = command("showbackup", backup.pk)
    assert is_harmless(pinned.out + pinned.err + shown.out)
    assert "reason" in pinned.out and "comment" in shown.out


def test_what_is_written_keeps_its_style_and_loses_other_codes() -> None:
    out = io.StringIO()
    Output(out).write(f"one\ntwo {CODES}", color_style(force_color=True).ERROR)
    style, _, rest = out.getvalue().partition("one")
    assert style.startswith("\x1b[") and rest.endswith("\x1b[0m")
    assert rest.removesuffix("\x1b[0m").replace("\n", "").isprintable()


def test_a_log_that_is_read_in_a_terminal_has_none_either() -> None:
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "said %s", (CODES,), None)
    assert RedactingFormatter("{message}", style="{").format(record).replace("\n", "").isprintable()
