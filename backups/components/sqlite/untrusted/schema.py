"""Reading the schema of a database: ordinary tables, virtual tables, and which tables have computed values."""

import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from backups.components.sqlite.connection import exact_text, quoted, tolerate_schema
from backups.components.sqlite.untrusted.application import UNSAFE_JSON
from backups.components.sqlite.untrusted.limits import STORED_BYTES, limit_values
from destinations.lib.formats import as_text, is_text

# SQLite's message about an entry of the schema that it cannot use; without a reason it is damage
MALFORMED = re.compile(r"malformed database schema \((?P<entry>.*?)\) - (?P<reason>.+)", re.DOTALL)
# reasons that are damage whatever version wrote the file
DAMAGE = re.compile(r"invalid rootpage|orphan index|.*\balready\b.*", re.DOTALL)
# damaged text, or syntax of a newer SQLite; every other reason is a missing function or a limit
SYNTAX = re.compile(r"near .*|unrecognized token.*|incomplete input|unknown error", re.DOTALL)
WRITER = slice(96, 100)  # of the header: version number of the SQLite that wrote last
# hidden columns of ``table_xinfo``: generated ones, virtual and stored
GENERATED = (2, 3)
EXPRESSION = -2  # instead of a column in ``index_xinfo``
NOT_UTF8 = "its name is not UTF-8 text, so no statement can name it"


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of a database; `tables` are the ordinary ones, with those in which virtual tables keep their rows.

    `not_understood` is the first entry that this SQLite cannot parse, with the reason, and `unreadable` are the tables
    that cannot be used because of it or of their names. `computes` is False when all values are stored.
    """

    tables: tuple[str, ...]
    virtual: tuple[str, ...]
    not_understood: Mapping[str, str]
    unreadable: Mapping[str, str]
    computing: frozenset[str]

    @property
    def computes(self) -> bool:
        return bool(self.virtual or self.computing)


def read_schema(connection: sqlite3.Connection, path: Path) -> Schema:
    """Return the schema of `connection`. Raises sqlite3.Error where it is damaged."""
    # reading the definitions
    limit_values(connection, STORED_BYTES)
    refused = not_understood(connection, path)
    reason = "; ".join(f"{entry}: {reason}" for entry, reason in refused.items())
    tables = _names(connection, "rootpage > 0 AND sql NOT LIKE 'CREATE VIRTUAL%'")
    virtual = _names(connection, "sql LIKE 'CREATE VIRTUAL%'")
    unreadable = {as_text(name): NOT_UTF8 for name in tables if not is_text(name)}
    tables, virtual = (tuple(filter(is_text, names)) for names in (tables, virtual))
    unreadable |= {
        name: refused.get(name, f"its definition is not understood here ({reason})")
        for name in tables
        if refused and not _columns(connection, name)
    }
    known = tuple(name for name in tables if name not in unreadable)
    computing = frozenset(name for name in known if _computes(connection, name))
    return Schema(known, virtual, refused, unreadable, computing)


def not_understood(connection: sqlite3.Connection, path: Path) -> dict[str, str]:
    """Return the first entry of the schema that this SQLite cannot parse although it is not damaged, with the reason.

    Afterwards `connection` tolerates such entries and can read the others. Raises sqlite3.Error for a damaged schema.
    """
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except UnicodeDecodeError as error:
        # the message quotes bytes that are not UTF-8
        message, problem = error.object.decode(errors="replace"), sqlite3.DatabaseError("malformed database schema")
    except sqlite3.DatabaseError as error:
        message, problem = str(error), error
    else:
        return {}
    malformed = MALFORMED.fullmatch(message)
    if malformed is not None and UNSAFE_JSON.fullmatch(malformed["reason"]):
        connection.execute("PRAGMA trusted_schema=ON")
        return not_understood(connection, path)
    if malformed is None or DAMAGE.fullmatch(malformed["reason"]):
        raise problem
    if SYNTAX.fullmatch(malformed["reason"]):
        with path.open("rb") as file:
            writer = int.from_bytes(file.read(WRITER.stop)[WRITER], "big")
        major, minor, patch = sqlite3.sqlite_version_info
        # syntax of a newer SQLite, unless the file was written by this version or an older one
        if writer <= major * 1_000_000 + minor * 1_000 + patch:
            raise problem
    tolerate_schema(connection)
    return {malformed["entry"]: malformed["reason"]}


def _names(connection: sqlite3.Connection, condition: str) -> tuple[str, ...]:
    """Return the names of tables; bytes that are not UTF-8 are lone surrogates in them."""
    # names that SQLite itself would refuse
    odd = "typeof(name) != 'text' OR instr(name, char(0)) > 0"
    query = f"SELECT name FROM sqlite_master WHERE type = 'table' AND NOT ({odd}) AND {condition} ORDER BY name"
    before, connection.text_factory = connection.text_factory, exact_text
    try:
        return tuple(name for (name,) in connection.execute(query))
    finally:
        connection.text_factory = before


def _columns(connection: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
    return connection.execute(f"PRAGMA table_xinfo({quoted(table)})").fetchall()


def _computes(connection: sqlite3.Connection, table: str) -> bool:
    """Return whether `table` has generated columns, partial indexes or indexes on expressions."""
    if any(hidden in GENERATED for *_, hidden in _columns(connection, table)):
        return True
    for _number, index, _unique, _origin, partial in connection.execute(f"PRAGMA index_list({quoted(table)})"):
        if partial or any(row[1] == EXPRESSION for row in connection.execute(f"PRAGMA index_xinfo({quoted(index)})")):
            return True
    return False
