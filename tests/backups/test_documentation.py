"""The pages for operators say what the code says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("backupsite", "backups", "destinations")
ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def settings_read() -> set[str]:
    """Return the names in ``env.str("NAME", ...)`` and its like in every module of backupsite."""
    trees = [ast.parse(path.read_text()) for path in (ROOT / "backupsite").glob("*.py")]
    return {name for tree in trees for node in ast.walk(tree) for name in _environment_name(node)}


def _environment_name(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="env")), args=[ast.Constant(value=str(name)), *_]):
            yield name
        case ast.Call(func=ast.Name(id="env"), args=[ast.Constant(value=str(name)), *_]):
            yield name


def settings_documented() -> set[str]:
    """Return the names in the first column of the tables of docs/configuration.md."""
    return set(re.findall(r"^\| `([A-Z0-9_]+)` \|", (DOCS / "configuration.md").read_text(), flags=re.MULTILINE))


def messages() -> set[str]:
    """Return every text in the code, with ``…`` for what is filled in."""
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return {text for path in paths for node in ast.walk(ast.parse(path.read_text())) if (text := _text(node))}


def _text(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(value) if isinstance(value, ast.Constant) else "…" for value in values)
        case _:
            return ""


def messages_documented() -> list[str]:
    """Return what stands in code style in the first column of the tables of messages."""
    restore = (DOCS / "restore.md").read_text().partition("## What the messages mean")[2]
    lines = [*(DOCS / "errors.md").read_text().splitlines(), *restore.splitlines()]
    rows = [line for line in lines if line.startswith("| `")]
    return [text for row in rows for text in re.findall(r"`([^`]+)`", row.split(" | ")[0])]


def test_every_setting_from_the_environment_is_on_its_page_and_nothing_else() -> None:
    read, documented = settings_read(), settings_documented()

    assert len(read) > 20, "the settings were not found: are they read through `env`?"
    assert read - documented == set(), "missing in docs/configuration.md"
    assert documented - read == set(), "described in docs/configuration.md, but no module of backupsite reads them"


def test_every_documented_message_is_one_that_the_code_says() -> None:
    said = messages()
    documented = messages_documented()
    unknown = [text for text in documented if not any(_says(message, text) for message in said)]

    assert len(documented) > 50
    assert unknown == []


def _says(message: str, documented: str) -> bool:
    """True when the fixed words of `documented` stand in `message` in their order."""
    words = [re.escape(part.strip()) for part in documented.split("…") if part.strip(" :.,()")]
    return re.search(".*".join(words), message, flags=re.DOTALL) is not None


def test_every_system_check_is_on_the_page_of_errors() -> None:
    ids = {text for text in messages() if re.fullmatch(r"(backups|destinations)\.[EW]\d{3}", text)}
    page = (DOCS / "errors.md").read_text()

    assert ids
    assert [check for check in sorted(ids) if f"`{check}`" not in page] == []
