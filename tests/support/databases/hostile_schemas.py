"""Databases whose schema is a program: written into sqlite_master, as anybody can who makes the file."""

import sqlite3
import struct
from contextlib import closing
from itertools import pairwise
from pathlib import Path

# each within one value, so that no limit of its size ends it
SEARCH = "instr(printf('%.*c', 3900000, 'x'), printf('%.*c', 1900000, 'x') || 'y')"  # minutes in one step
GIGABYTE = "zeroblob(900000000) || a"
ENDLESS_VIEW = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x AS value FROM c"
PAGE = 512


def make(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


def declare(path: Path, name: str, sql: str) -> Path:
    """Let the schema of `path` say `sql` for `name`, whatever that is."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", [sql, name])
    return path


def computing(path: Path, expression: str) -> Path:
    """Make a table `plain` with two rows, and a table `t` with one whose generated column is `expression`."""
    make(
        path,
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a, g AS (1) NOT NULL)",
        "INSERT INTO t(a) VALUES (1)",
        "CREATE TABLE plain(x)",
        "INSERT INTO plain VALUES (1), (2)",
    )
    return declare(path, "t", f"CREATE TABLE t(id INTEGER PRIMARY KEY, a, g AS ({expression}) NOT NULL)")


def last_written_by(path: Path, version: int) -> Path:
    """Let the header of `path` name the SQLite that wrote last."""
    content = bytearray(path.read_bytes())
    content[96:100] = version.to_bytes(4, "big")
    path.write_bytes(content)
    return path


def page_of(path: Path, name: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [name]).fetchone()[0])


def overwrite(path: Path, page: int, size: int) -> Path:
    """Damage the page with that number, of `size` bytes."""
    with path.open("r+b") as file:
        file.seek((page - 1) * size + 8)
        file.write(b"\xff" * (size - 8))
    return path


def with_a_tree_without_end(path: Path) -> Path:
    """Make a table whose inner pages name one another many times over: counting it would take ages."""
    make(
        path,
        f"PRAGMA page_size={PAGE}",
        "CREATE TABLE t(x)",
        "CREATE TABLE plain(x)",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 100000) INSERT INTO t SELECT x FROM c",
    )
    root = page_of(path, "t")
    content = bytearray(path.read_bytes())
    pages = range(2, len(content) // PAGE + 1)
    inner = [page for page in pages if content[(page - 1) * PAGE] == 5 and page != root]
    leaf = next(page for page in reversed(pages) if content[(page - 1) * PAGE] == 13)
    chain = [root, *inner[:12], leaf]
    for page, child in pairwise(chain):
        start = (page - 1) * PAGE
        (cells,) = struct.unpack_from(">H", content, start + 3)
        places = [start + 8, *(start + place for place in struct.unpack_from(f">{cells}H", content, start + 12))]
        for place in places:
            struct.pack_into(">I", content, place, child)
    path.write_bytes(content)
    return path
