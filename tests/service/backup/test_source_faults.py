"""What goes wrong with what is backed up, for real. Nothing is completed with something missing."""

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from backups.errors import BackupError, ComponentError
from backups.instances import get_instance
from tests.support.databases.sqlite_files import exclusively_locked
from tests.support.site_fixtures import OPTIONAL, SHOP, BackUp, Declare, Listing, OnStage, Refused

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_missing_database_fails_the_backup(small_shop: Path, refused: Refused, archives: Listing) -> None:
    (small_shop / "orders.db").unlink()
    assert refused(ComponentError).error_message == f"{small_shop}/orders.db does not exist."
    assert archives() == []


def test_a_missing_tree_fails_the_backup(small_shop: Path, refused: Refused, archives: Listing) -> None:
    (small_shop / "uploads" / "photo").unlink()
    (small_shop / "uploads").rmdir()
    assert refused(ComponentError).error_message == f"{small_shop}/uploads does not exist."
    assert archives() == []


def test_a_corrupt_database_fails_the_backup(small_shop: Path, refused: Refused, archives: Listing) -> None:
    damage(small_shop / "orders.db")
    assert "orders.db is corrupt: " in refused(ComponentError).error_message
    assert archives() == []


def damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(20 * 4096)
        file.write(b"\xff" * 4096)


def test_a_locked_database_fails_the_backup_in_time(small_shop: Path, refused: Refused) -> None:
    began = time.monotonic()
    with exclusively_locked(small_shop / "orders.db"):
        assert "stayed locked by another process for 1 s" in refused(ComponentError).error_message
    assert time.monotonic() - began < 3


def test_a_file_that_changes_fails_the_backup(small_shop: Path, refused: Refused, on_stage: OnStage) -> None:
    log = small_shop / "uploads" / "log"
    log.touch()
    writing = subprocess.Popen([sys.executable, "-c", GROWING, str(log)])
    try:
        while log.stat().st_size < 20_000_000:
            time.sleep(0.01)
        assert refused(ComponentError).error_message == f"{log} changed while it was read."
    finally:
        writing.terminate()
        writing.wait()


GROWING = """
import sys, time
with open(sys.argv[1], "ab", buffering=0) as file:
    for _ in range(100):
        file.write(bytes(1_000_000))
        time.sleep(0.002)
    for _ in range(10_000):
        file.write(b"x")
        time.sleep(0.001)
"""


def test_a_component_that_leads_out_of_the_root_since_then_is_refused(
    small_shop: Path, refused: Refused, tmp_path: Path, archives: Listing
) -> None:
    assert get_instance("shop").component_names
    (small_shop / "uploads").rename(tmp_path / "elsewhere")
    (small_shop / "uploads").symlink_to(tmp_path / "elsewhere")
    assert f"'{small_shop}/uploads' lies outside the root {small_shop}" in refused(ComponentError).error_message
    assert archives() == []


def test_an_optional_component_that_is_missing_is_a_warning_everywhere(
    small_shop: Path, back_up: BackUp, declare: Declare
) -> None:
    declare(SHOP.format(root=small_shop) + OPTIONAL)
    (small_shop / "uploads").rename(small_shop / "moved")
    execution = back_up("shop")
    warning = f"uploads is not in this backup: {small_shop}/uploads does not exist."
    assert (execution.status, execution.warnings) == ("completed", [warning])
    assert execution.manifest_json is not None
    assert execution.manifest_json["warnings"] == [warning]
    assert execution.manifest_json["absent"] == [
        {"component": "uploads", "reason": f"{small_shop}/uploads does not exist."}
    ]
    assert [entry["component"] for entry in execution.manifest_json["contents"]] == ["orders"]


def test_an_optional_database_that_is_corrupt_is_a_warning(small_shop: Path, back_up: BackUp, declare: Declare) -> None:
    declare(SHOP.format(root=small_shop).replace('path = "orders.db"\n', 'path = "orders.db"\n' + OPTIONAL))
    damage(small_shop / "orders.db")
    execution = back_up("shop")
    (warning,) = execution.warnings
    assert warning.startswith("orders is not in this backup: orders.db is corrupt: ")
    assert execution.manifest_json is not None
    assert [entry["component"] for entry in execution.manifest_json["contents"]] == ["uploads"]


def test_a_backup_of_nothing_is_a_failure(small_shop: Path, declare: Declare, refused: Refused) -> None:
    text = SHOP.format(root=small_shop).replace('path = "orders.db"\n', 'path = "orders.db"\n' + OPTIONAL)
    declare(text + OPTIONAL)
    (small_shop / "orders.db").unlink()
    (small_shop / "uploads").rename(small_shop / "moved")
    assert refused(BackupError).error_message == "Nothing could be exported."


def test_pipes_left_out_of_a_tree_are_warnings(small_shop: Path, back_up: BackUp) -> None:
    subprocess.run(["mkfifo", small_shop / "uploads" / "pipe"], check=True)
    assert back_up("shop").warnings == [f"{small_shop}/uploads/pipe is a pipe and was left out"]


def keep_changing(path: Path) -> None:
    with suppress(FileNotFoundError):
        for _ in range(100_000):
            os.utime(path)
            time.sleep(0.001)


def test_a_name_that_is_no_text_stands_escaped_in_the_record(
    small_shop: Path, refused: Refused, on_stage: OnStage
) -> None:
    odd = Path(os.fsdecode(os.fsencode(small_shop / "uploads") + b"/\xff\n\x1b[31m"))
    odd.write_bytes(bytes(30_000_000))
    truncating = threading.Thread(target=lambda: keep_changing(odd))
    truncating.start()
    try:
        message = refused(ComponentError).error_message
    finally:
        odd.unlink()
        truncating.join()
    assert message == f"{small_shop}/uploads/\\udcff\\n\\x1b[31m changed while it was read."
