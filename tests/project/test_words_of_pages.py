"""What pages and commands share names no option of a command: a page has a box or a button for it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from destinations.lib.operator_error import OperatorError
from tests.support.paths import PROJECT

OPTION = re.compile(r"(?<![\w-])--[a-z]{2}")
# a whole command line can be typed wherever the reader is; `--OPTION` alone belongs to a command that nobody typed
COMMAND_LINE = re.compile(r"manage\.py |\bage --|\btar x|sha256sum")
# an option by itself is the `option` of an error or of a refusal, which only commands print
STRUCTURED = re.compile(r"--[a-z-]+( \{\w+(\.\w+)*\})?")
# the arguments of the process of a run, and the part of a command line that names a queue
OTHER = {
    "backups/worker/run_process.py": {"--kind", "--parent", "--socket"},
    "backups/service/monitoring/workers.py": {" --queue "},
    # of pg_dump and psql
    "backups/instances/kinds/backupsite/postgres.py": {"--"},
}


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each string; of an f-string as a whole, its values as their expressions."""
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body
        if isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, ast.unparse(node)[2:-1]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside | docstrings:
            yield node.lineno, node.value


def named_options(code: str, known: frozenset[str] = frozenset()) -> list[tuple[int, str]]:
    return [
        (line, text)
        for line, text in texts(ast.parse(code))
        if OPTION.search(text)
        and not (COMMAND_LINE.search(text) or STRUCTURED.fullmatch(text) or known & {text})
        and not any(text.strip("'\"").startswith(one) for one in known)
    ]


def test_no_text_that_a_page_may_show_names_an_option_of_a_command() -> None:
    found = {}
    for package in ("backups", "destinations"):
        for path in sorted((PROJECT / package).rglob("*.py")):
            # the commands themselves, and the checks, which a command prints
            if {"management", "checks", "checks.py"} & set(path.relative_to(PROJECT).parts):
                continue
            name = str(path.relative_to(PROJECT))
            # the command lines of that program
            if "backends/rclone" in name:
                continue
            if options := named_options(path.read_text(), frozenset(OTHER.get(name, ()))):
                found[name] = options
    assert found == {}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("raise BackupError('It is unsigned.', hint='Use --accept-unsigned.')", 1),
        ("text = f'The archive of {name} needs --other-instance.'", 1),
        ("hint = f\"Run 'manage.py restore --undo {pk} --confirm'.\"", 0),
        ("raise BackupError('It is unsigned.').needing('--accept-unsigned')", 0),
        ("raise BackupError('It waits.').needing(f'--cancel {other.pk}')", 0),
        ('"""A docstring with --json."""', 0),
    ],
)
def test_a_text_with_an_option_is_found(code: str, found: int) -> None:
    assert len(named_options(code)) == found


def test_templates_name_whole_command_lines_only() -> None:
    wrong = {}
    for path in sorted(Path(PROJECT / "templates" / "admin").rglob("*.html")):
        lines = [line for line in path.read_text().splitlines() if OPTION.search(line) and "manage.py" not in line]
        if lines:
            wrong[path.name] = lines
    assert wrong == {}


def test_the_option_of_an_error_is_no_part_of_what_a_page_shows() -> None:
    error = OperatorError("It is unsigned.", "Accept it.").needing("--accept-unsigned")
    assert error.text == "It is unsigned. Accept it."
    assert error.option == "--accept-unsigned"
