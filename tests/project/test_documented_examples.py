"""The examples on the pages run as they stand there."""

import inspect
import io
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from backups import api
from backups.archive.encryption import KINDS
from backups.archive.manifest.document import Manifest
from backups.instances.parse import parse
from backups.models import BackupExecution
from backups.service.drill.run import verify_backup
from backups.signals import execution_finished
from destinations.backends import TYPES
from destinations.exceptions import NameTaken, NotFound, VerificationFailed
from destinations.models import BackupDestination
from tests.support.archives.stored import file_of
from tests.support.databases.sqlite_files import make_database
from tests.support.paths import PROJECT

SHOP = """\
[shop]
kind = "generic"
root = "{root}"
[shop.components.orders]
kind = "sqlite"
path = "orders.db"
"""


def examples(page: str, language: str) -> list[str]:
    """Return the fenced blocks of `page` in `language`."""
    text = (PROJECT / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def example(page: str, language: str, containing: str) -> str:
    """Return the one block that holds `containing`."""
    [found] = [block for block in examples(page, language) if containing in block]
    return found


def executed(source: str) -> ModuleType:
    module = ModuleType("documented_example")
    exec(compile(source, "documented example", "exec"), module.__dict__)  # noqa: S102 - from our own page
    return module


@pytest.mark.parametrize("page", ["README.md", "docs/instances.md"])
def test_the_instances_of_a_page_are_described_well(page: str) -> None:
    instances, problems = parse(tomllib.loads("".join(examples(page, "toml"))))

    assert "shop" in instances
    assert problems == ()


def test_the_instances_in_python_are_described_well() -> None:
    module = executed(example("docs/configuration.md", "python", "BACKUP_INSTANCES"))

    instances, problems = parse(module.BACKUP_INSTANCES)

    assert list(instances) == ["shop"]
    assert problems == ()


def test_the_manifest_on_the_page_is_one_that_we_read() -> None:
    [text] = examples("docs/archive-format.md", "json")

    assert Manifest.from_json(text.encode()).components == ("users",)


def test_every_function_of_the_embedding_page_takes_the_parameters_it_says() -> None:
    text = (
        (PROJECT / "docs/embedding.md").read_text().partition("| Function of `backups.api` |")[2].partition("\n\n")[0]
    )
    documented = [found for line in text.splitlines() for found in re.findall(r"`(\w+)\(([^`]*)\)`", line)]

    assert len(documented) > 20
    for name, parameters in documented:
        words = [word.split("=")[0].strip() for word in parameters.split(",") if word.strip() not in ("", "*")]
        assert set(words) <= set(inspect.signature(getattr(api, name)).parameters), name


def test_every_name_of_the_api_is_on_the_embedding_page() -> None:
    text = (PROJECT / "docs/embedding.md").read_text()
    assert [name for name in api.__all__ if not re.search(rf"\b{name}\b", text)] == []


@pytest.fixture
def shop(tmp_path: Path, declare: Callable[[str], None]) -> Path:
    root = tmp_path / "shop"
    root.mkdir()
    make_database(root / "orders.db")
    declare(SHOP.format(root=root))
    return root


@pytest.mark.django_db
def test_the_embedding_example_backs_up_and_answers_with_the_checksum(
    shop: Path, destination: BackupDestination
) -> None:
    user = User.objects.create_user("ada")
    module = executed(example("docs/embedding.md", "python", "def backup_before_import"))

    answer = module.backup_before_import(user)

    execution = BackupExecution.objects.get()
    assert answer == execution.archive_sha256
    assert (execution.triggered_by, execution.verified_at is not None) == ("ada", True)


@pytest.mark.django_db
def test_the_embedding_example_says_why_there_is_no_backup(shop: Path, destination: BackupDestination) -> None:
    (shop / "orders.db").write_bytes(b"no database" * 100)
    module = executed(example("docs/embedding.md", "python", "def backup_before_import"))

    answer = module.backup_before_import("import script")

    assert answer.startswith(f"no backup, no import: {shop / 'orders.db'} is not a SQLite database")


@pytest.mark.django_db
def test_the_receiver_of_the_embedding_page_is_told_of_a_failure(
    shop: Path, destination: BackupDestination, capsys: pytest.CaptureFixture[str], receivers: None
) -> None:
    (shop / "orders.db").unlink()
    listener = executed(example("docs/embedding.md", "python", "def report"))
    module = executed(example("docs/embedding.md", "python", "def backup_before_import"))

    module.backup_before_import("import script")

    assert listener.report
    assert f"backup of shop: failed, {shop / 'orders.db'} does not exist." in capsys.readouterr().out


@pytest.fixture
def receivers() -> Iterator[None]:
    """Put the receivers of the signal back as they were."""
    before = list(execution_finished.receivers)
    yield
    execution_finished.receivers = before
    execution_finished.sender_receivers_cache.clear()


@pytest.fixture
def memory() -> Iterator[Any]:
    """Return the destination class of docs/extending.md, registered like any type."""
    module = executed(example("docs/extending.md", "python", "class MemoryDestination"))
    sys.modules[module.__name__] = module
    TYPES["memory"] = module.MemoryDestination
    yield module
    del TYPES["memory"], sys.modules[module.__name__]


def test_the_destination_of_the_extending_page_keeps_the_contract(memory: Any) -> None:
    place = memory.MemoryDestination({"shelf": "left", "password": "sesame"})

    assert [step.name for step in place.test()] == ["write", "list", "read back", "delete", "free space"]
    place.put(io.BytesIO(b"abc"), "shop/manual/a.tar.gz", size=3, token="t1")
    with pytest.raises(NameTaken):
        place.put(io.BytesIO(b"abc"), "shop/manual/a.tar.gz", size=3, token="t2")
    with pytest.raises(VerificationFailed):
        place.put(io.BytesIO(b"abc"), "shop/manual/b.tar.gz", size=3, token="t3", sha256="0" * 64)
    assert [(file.path, file.size_bytes) for file in place.list("shop")] == [("shop/manual/a.tar.gz", 3)]
    assert list(place.list_partials()) == []
    place.delete("shop/manual/a.tar.gz")
    with pytest.raises(NotFound):
        place.stat("shop/manual/a.tar.gz")


@pytest.mark.django_db
def test_the_destination_of_the_extending_page_takes_a_backup_and_seals_its_secret(
    memory: Any, shop: Path, back_up: Callable[..., BackupExecution], destination: BackupDestination
) -> None:
    destination.type = "memory"
    destination.configure({"shelf": "left", "password": "sesame"})
    destination.save()

    execution = back_up("shop")

    assert "sesame" not in str(destination.config_json)
    assert memory.FILES[f"memory:left/{execution.backup_path}"][:2] == b"\x1f\x8b"


def test_the_encryption_of_the_extending_page_takes_a_backup_and_opens_it(
    shop: Path, back_up: Callable[..., BackupExecution], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = executed(example("docs/extending.md", "python", "class Mirror(Encryption)"))
    monkeypatch.setitem(KINDS, "mirror", module.Mirror)  # type: ignore[misc]
    settings.BACKUP_ENCRYPTION = "mirror"

    execution = back_up("shop")

    assert (execution.encryption, execution.backup_filename[-14:]) == ("mirror", ".tar.gz.mirror")
    assert file_of(execution).read_bytes().startswith(b"MIRROR\n")
    assert verify_backup(execution, by="tests").databases == 1
