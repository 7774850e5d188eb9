"""The family of errors that operators read: one base, and texts that are whole sentences."""

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

import backups
import backupsite
import destinations
from backups.instances.fields import Mistake
from backups.instances.parse import Problem
from backups.models import BackupExecution
from backups.runs.queue.deduplication import AlreadyWaiting
from destinations.lib.operator_error import LONGEST, OperatorError, sentences
from destinations.lib.redaction import HIDDEN
from tests.support.paths import PROJECT

# where every text is a sentence; what is not here yet is to be added
SENTENCES: tuple[ModuleType, ...] = (backups, backupsite, destinations)
# they become errors, or messages of checks
CARRIERS = {Mistake.__name__: 1, Problem.__name__: 2}
NAMES_OF_HINTS = ("HINT", "ADVICE")
# what such a text ends with is a sentence already
WHOLE = {"message", "hint", "text"}
# those that take more than a message and a hint
MADE = {AlreadyWaiting: partial(AlreadyWaiting, run=BackupExecution())}


def every_error() -> list[type[OperatorError]]:
    for package in (backups, backupsite, destinations):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" not in module.name and not module.name.endswith("wsgi"):
                importlib.import_module(module.name)
    found = [OperatorError]
    for error in found:
        found += [one for one in error.__subclasses__() if one not in found and not one.__module__.startswith("tests")]
    return found


@pytest.mark.parametrize("error_type", every_error())
def test_every_error_has_a_message_a_hint_and_an_exit_status(error_type: type[OperatorError]) -> None:
    error = MADE.get(error_type, error_type)("The file x cannot be read.", hint="Bring it back.")
    assert (error.message, error.hint, str(error)) == ("The file x cannot be read.", "Bring it back.", error.message)
    assert error.text == "The file x cannot be read. Bring it back."
    assert error.exit_status > 0
    assert MADE.get(error_type, error_type)("x").hint == ""


@pytest.mark.parametrize("error_type", every_error())
def test_no_error_shows_a_secret_a_line_break_or_a_text_without_end(error_type: type[OperatorError]) -> None:
    error = MADE.get(error_type, error_type)("password=hunter2 \n\x1b[31m", hint="token: hunter2\n" + "x " * LONGEST)
    assert "hunter2" not in repr((error.message, error.hint, error.args))
    assert (error.message.count(HIDDEN), error.hint.count(HIDDEN)) == (1, 1)
    assert (error.message + error.hint).isprintable()
    assert len(error.hint) < LONGEST + 100


def test_all_bases_of_the_packages_are_of_the_family() -> None:
    names = {error.__name__ for error in every_error()}
    bases = {"BackupError", "ArchiveError", "EncryptionError", "AgeError", "SignatureError", "DestinationError"}
    assert bases | {"RetentionError"} <= names


def test_no_other_exception_of_the_packages_has_a_message_of_its_own() -> None:
    """An error with a message for operators is of the family; what else is raised says why it is not."""
    every_error()
    elsewhere = {
        # of Django: a command's end, and a setting that keeps the site from starting
        "Error": "destinations.management.base",
        # becomes a Problem
        "Mistake": "backups.instances.fields",
        # becomes a ComponentError that names the nested tar, or the path that cannot be backed up
        "MalformedHeaderError": "backups.components.files.format.header",
        # caught in its module
        "Enough": "destinations.backends.base.head",
        # become what `explain` makes of them, beside them
        "S3Refused": "destinations.backends.s3.answers",
        "GcsRefused": "destinations.backends.gcs.answers",
        "RcloneFailed": "destinations.backends.rclone.program",
        "AzureRefused": "destinations.backends.azure.answers",
    }
    found = {
        error.__name__: error.__module__
        for error in _subclasses(Exception)
        if error.__module__.split(".")[0] in ("backups", "backupsite", "destinations")
        and not issubclass(error, OperatorError)
        and error.__name__ not in ("DoesNotExist", "MultipleObjectsReturned")
    }
    assert found == elsewhere


def _subclasses(error: type[BaseException]) -> Iterator[type[BaseException]]:
    for one in error.__subclasses__():
        yield one
        yield from _subclasses(one)


def test_sentences_are_put_together_with_one_full_stop_each() -> None:
    assert sentences("orders is locked", "", " Wait. ", "Is it?") == "orders is locked. Wait. Is it?"
    assert sentences("", "") == ""


class Texts(ast.NodeVisitor):
    """The texts given to errors of the family in one module, each as it is written there."""

    def __init__(self, module: ast.Module, constructors: set[str]) -> None:
        self._constructors = constructors
        self._assigned: dict[str, list[ast.expr]] = {}
        self.found: list[ast.expr] = []
        for node in ast.walk(module):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self._assign(target, node.value)
        for name, values in self._assigned.items():
            if name.endswith(NAMES_OF_HINTS):
                self.found += values
        self.visit(module)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._assigned.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, its in zip(target.elts, value.elts, strict=True):
                self._assign(one, its)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in self._constructors:
            first = CARRIERS.get(name, 0)
            texts = [*node.args[first : first + 2], *(one.value for one in node.keywords if one.arg in WHOLE)]
            self.found += [value for text in texts for value in self._values(text)]
        self.generic_visit(node)

    def _values(self, text: ast.expr) -> list[ast.expr]:
        if isinstance(text, ast.IfExp):
            return [*self._values(text.body), *self._values(text.orelse)]
        if isinstance(text, ast.BoolOp):
            return [value for one in text.values for value in self._values(one)]
        if isinstance(text, ast.Name):
            return [value for one in self._assigned.get(text.id, []) for value in self._values(one)]
        return [text]


def is_sentence(text: ast.expr) -> bool:
    """True for what does not stand there as a text, too: it is a sentence where it was made."""
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    first, last = parts[0] if parts else None, parts[-1] if parts else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value[:1].islower():
        return False
    if isinstance(last, ast.Constant) and isinstance(last.value, str):
        return not last.value or last.value.endswith((".", "!", "?"))
    if isinstance(last, ast.FormattedValue):
        return isinstance(last.value, ast.Attribute) and last.value.attr in WHOLE
    return True


def sources_of(module: ModuleType) -> list[Path]:
    """Return the files of a module, or of a package and all below it."""
    assert module.__file__ is not None
    path = Path(module.__file__)
    return sorted(path.parent.rglob("*.py")) if hasattr(module, "__path__") else [path]


def test_every_message_and_every_hint_is_a_sentence() -> None:
    constructors = {error.__name__ for error in every_error()} | CARRIERS.keys()
    texts = [
        (path, text)
        for module in SENTENCES
        for path in sources_of(module)
        for text in Texts(ast.parse(path.read_text()), constructors).found
    ]
    assert len(texts) > 300
    wrong = [
        f"{path.relative_to(PROJECT)}:{text.lineno}: {ast.unparse(text)}"
        for path, text in texts
        if not is_sentence(text)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("raise BackupError('It is full.', hint='Free space.')", 0),
        ("raise BackupError(f'{path} is full.', hint=f'See {url}.')", 0),
        ("raise errors.BackupError('it is full.')", 1),
        ("raise BackupError('It is full')", 1),
        ("raise BackupError('It is full.', hint='free space')", 1),
        ("raise BackupError('It is full.', 'free space')", 1),
        ("raise BackupError(f'It failed: {reason}')", 1),
        ("raise BackupError(f'It failed. {error.message}')", 0),
        ("hint = 'free space' if near else ''\nraise BackupError('It is full.', hint=hint)", 1),
        ("hint, more = 'free space', ''\nraise BackupError('It is full.', hint=hint)", 1),
        ("FULL_HINT = 'free space'", 1),
        ("Mistake('kind', 'The kind is unknown.', 'One of a, b')", 1),
        ("Problem('', '', 'it is missing', 'Make it.')", 1),
        ("raise ValueError('lower case')", 0),
    ],
)
def test_a_text_that_is_no_sentence_is_found(code: str, wrong: int) -> None:
    texts = Texts(ast.parse(code), {"BackupError"} | CARRIERS.keys()).found
    assert len({ast.unparse(text) for text in texts if not is_sentence(text)}) == wrong
