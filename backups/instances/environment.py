"""The environment that a service is started with, as instances.toml describes it."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backups.errors import ComponentError, DependsOnEnvironment
from backups.instances.environment_file import FORMATS, NAME, Variables
from backups.instances.fields import Mistake, text

KEYS = frozenset({"environment", "environment_file", "environment_format"})
MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Environment:
    """Variables that are set one by one, and files with more; the `format` of the files may be unknown ("")."""

    variables: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    format: str = ""

    def configuration(self, keys: Mapping[str, tuple[str, str]]) -> dict[str, dict[str, str]]:
        """Return the sections that the variables set; `keys` are section and key by variable. Raises as `read`."""
        sections: dict[str, dict[str, str]] = {}
        for name, value in self.read(keys).items():
            section, key = keys[name]
            sections.setdefault(section, {})[key] = value
        return sections

    def read(self, names: Collection[str]) -> dict[str, str]:
        """Return those variables of `names` that are set.

        Raises ComponentError for a file that cannot be read, and for a variable that the files set differently in
        different formats while theirs is not stated; DependsOnEnvironment also where only one of these says so.
        """
        if not self.files:
            return {name: value for name, value in self.variables.items() if name in names}
        texts = {path: _text(path) for path in self.files}
        found: list[dict[str, str]] = []
        for format_ in [self.format] if self.format else FORMATS:
            try:
                found.append(self._read_as(format_, names, texts))
            except DependsOnEnvironment:
                raise
            except ComponentError as error:
                # a file that one format refuses is of another
                if self.format or (format_ == list(FORMATS)[-1] and not found):
                    raise error
        for name in sorted({name for variables in found for name in variables}):
            if len({variables.get(name) for variables in found}) > 1:
                where = ", ".join(map(str, self.files))
                raise ComponentError(
                    f"{name} in {where} reads differently in the formats {', '.join(FORMATS)}.",
                    hint="Set environment_format of the instance to that of the program which starts the service.",
                )
        return found[0]

    def _read_as(self, format_: str, names: Collection[str], texts: Mapping[Path, str]) -> dict[str, str]:
        read: Variables = {}
        for path, content in texts.items():
            try:
                read |= FORMATS[format_](content)
            except ValueError as error:
                hint = "Correct environment_file, or environment_format."
                raise ComponentError(f"{path} is no environment file of {format_}: {error}.", hint=hint) from error
        # systemd.exec(5): files override Environment=; docker run and Compose: what is set one by one overrides files
        merged = {**self.variables, **read} if format_ == "systemd" else {**read, **self.variables}
        wanted: dict[str, str] = {}
        for name, value in merged.items():
            if name not in names:
                continue
            if value is None:
                raise DependsOnEnvironment(
                    f"{name} in {', '.join(map(str, texts))} depends on the environment of the program that reads it.",
                    hint="Set it in `environment` of the instances file, which has precedence."
                    if self.format
                    else "Set environment_format of the instance to that of the program which starts the service.",
                )
            wanted[name] = value
        return wanted


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ComponentError(
                f"The environment file {path} is larger than {MOST_BYTES >> 20} MiB.", hint="Correct environment_file."
            )
        return content.decode("utf-8-sig")
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "unknown"
        raise ComponentError(
            f"The environment file {path} cannot be read: {reason}.",
            hint="Correct environment_file, or its permissions.",
        ) from error
    except UnicodeDecodeError as error:
        raise ComponentError(f"The environment file {path} is not UTF-8 text.", hint="Save it in UTF-8.") from error


def parse_environment(table: Mapping[str, Any]) -> Environment:
    """Return the environment in the table of an instance. Raises Mistake."""
    variables = table.get("environment", {})
    if not isinstance(variables, dict):
        raise Mistake("environment", 'The value must be a table, such as { NAME = "value" }.')
    for name in variables:
        if not NAME.fullmatch(name):
            raise Mistake("environment", "A name has letters, digits and '_', and does not begin with a digit.")
        if not isinstance(variables[name], str) or "\0" in variables[name]:
            raise Mistake(f"environment.{name}", "The value must be a text.")
    files = table.get("environment_file", [])
    files = [text(table, "environment_file")] if not isinstance(files, list) else files
    if not all(isinstance(file, str) for file in files):
        raise Mistake("environment_file", "The value must be a text or a list of texts.")
    if not all(Path(file).is_absolute() for file in files):
        raise Mistake("environment_file", "The path is not absolute.")
    format_ = text(table, "environment_format", default="")
    if format_ and format_ not in FORMATS:
        raise Mistake("environment_format", "The format is unknown.", f"Use one of {', '.join(FORMATS)}.")
    return Environment(variables, tuple(map(Path, files)), format_)
