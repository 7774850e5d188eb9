"""The pages for operators say what the code says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import BaseCommand, get_commands, load_command_class

from tests.support.paths import PROJECT

PACKAGES = ("backupsite", "backups", "destinations")
DOCS = PROJECT / "docs"


def settings_read() -> set[str]:
    """Return the names in ``env.str("NAME", ...)`` and its like in every module of backupsite."""
    trees = [ast.parse(path.read_text()) for path in (PROJECT / "backupsite").glob("*.py")]
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
    paths = [path for package in PACKAGES for path in (PROJECT / package).rglob("*.py")]
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
    said = "\0".join(messages())
    documented = messages_documented()
    unknown = [text for text in documented if not _says(said, text)]

    assert len(documented) > 50
    assert unknown == []


def _says(messages: str, documented: str) -> bool:
    """True when the fixed words of `documented` stand in one of the `messages` in their order."""
    words = [re.escape(part.strip()) for part in documented.split("…") if part.strip(" :.,()")]
    pattern = "[^\0]*".join(words)
    # a message that is quoted as the cause of another may begin with a small letter
    return any(re.search(first + pattern[1:], messages) for first in {pattern[0].lower(), pattern[0].upper()})


def test_every_system_check_is_on_the_page_of_errors() -> None:
    paths = [path for package in PACKAGES for path in (PROJECT / package).rglob("*.py")]
    ids = {
        found[0] for path in paths for found in re.finditer(r"\b(backups|destinations)\.[EW]\d{3}\b", path.read_text())
    }
    page = (DOCS / "errors.md").read_text()

    assert ids
    assert [check for check in sorted(ids) if f"`{check}`" not in page] == []


def commands() -> dict[str, set[str]]:
    """Return the options of each of our commands, without those that every Django command has."""
    return {name: _options(load_command_class(app, name)) for name, app in get_commands().items() if app in PACKAGES}


def _options(command: BaseCommand) -> set[str]:
    common = _long_options(BaseCommand())
    return _long_options(command) - common - {"--json"}


def _long_options(command: BaseCommand) -> set[str]:
    actions = command.create_parser("manage.py", "any")._actions
    return {option for action in actions for option in action.option_strings if option.startswith("--")}


def test_every_command_is_on_its_page_with_every_option_and_no_other() -> None:
    _, *sections = re.split(r"^### ", (DOCS / "commands.md").read_text(), flags=re.MULTILINE)
    documented = {
        re.findall(r"^`(\w+)", section)[0]: set(re.findall(r"^- `(--[a-z-]+)", section, flags=re.MULTILINE))
        for section in sections
    }

    assert len(documented) > 20
    assert documented == commands()


@pytest.mark.parametrize("page", [*DOCS.glob("*.md"), PROJECT / "README.md"], ids=lambda path: path.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    local = [link for link in links if not link.startswith(("http://", "https://"))]

    assert [link for link in local if not (page.parent / link).exists()] == []


def test_the_readme_names_every_page() -> None:
    readme = (PROJECT / "README.md").read_text()

    assert [page.name for page in sorted(DOCS.glob("*.md")) if f"docs/{page.name}" not in readme] == []
