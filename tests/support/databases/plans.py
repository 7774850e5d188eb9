"""How SQLite would answer queries: which steps of their plans read a number of rows that grows with the history."""

import re
from collections.abc import Iterable, Iterator

from django.db import connection

# restores are made by persons: there are few
LARGE = (
    "backup_executions", "backup_copies", "drill_executions", "copy_executions", "backup_notices", "backup_deliveries",
    "_logs", "_log",
)  # fmt: skip
# of which most rows have the same value, or a moment, or any
WIDE = {
    "status", "state", "kind", "verdict", "encryption", "deleted_at", "missing_at", "damaged_at", "copies_state",
    "created_at", "opened_at", "momentary", "content_type_id", "user_id", "ANY(instance)", "channel_id",
}  # fmt: skip
# few wait or run, whatever statistics say of a status on average, and few archives are missing; copies are counted
# along an index of what the answer needs, at most every five minutes
EXPECTED = re.compile(
    r"\"status\" (= |IN \()'(queued|running)'|USING INDEX execution_missing|COVERING INDEX copy_usage"
)
# of partial indexes: what they hold waits, or needs a person
SMALL = re.compile(
    r"INDEX (execution_(damaged|lacks_copy|missing|queued|open_drop|pinned|without_copies)|notice_(end_)?unannounced"
    r"|one_open_notice_per_cause|delivery_due|copy_(due|unsettled))\b|\bmissing_at>"
)
SORTS = re.compile(r"USE TEMP B-TREE FOR (ORDER BY|GROUP BY|DISTINCT)")


def reading_much(queries: Iterable[str]) -> Iterator[str]:
    """Yield the steps of the plans of `queries` that read much of a large table, each with its query.

    What decides all conditions by its index, and is sorted by it or asks for all that it finds, reads no more than it
    returns: a LIMIT, or the keys of few rows.
    """
    with connection.cursor() as cursor:
        for sql in queries:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            steps = cursor.fetchall()
            for _, parent, _, step in steps:
                if not step.startswith(("SCAN", "SEARCH")):
                    continue
                name = step.split()[1]
                alias = re.search(rf'"(\w+)" {name}\b', sql)
                table = alias[1] if alias else name
                if not table.endswith(LARGE) or EXPECTED.search(f"{sql} {step}") or not _is_wide(step):
                    continue
                is_sorted = any(other == parent and SORTS.match(text) for _, other, _, text in steps)
                if not all(_is_bounded(part, name, step, is_sorted) for part in _queries_of(sql, name)):
                    yield f"{step} ({table}): {sql}"


def _is_wide(step: str) -> bool:
    return (step.startswith("SCAN") or _sought(step) <= WIDE) and not SMALL.search(step)


def _sought(step: str) -> set[str]:
    """Return the columns by which `step` seeks."""
    found = re.search(r" \((.*)\)(?: LEFT-JOIN)?$", step)
    return {re.split(r"[=<>]", term)[0].strip() for term in found[1].split(" AND ")} if found else set()


def _is_bounded(part: str, name: str, step: str, is_sorted: bool) -> bool:
    limited = "LIMIT" in part and not is_sorted
    keys = re.match(r'SELECT ([UVW]\d\.)?"(id|execution_id)"( AS "\w+")? FROM', part) and "LIMIT" not in part
    where = re.split(r" (?:ORDER|GROUP) BY ", part.partition(" WHERE ")[2])[0]
    prefix = re.escape(f"{name}." if f"{name}." in part else f'"{name}".')
    conditions = set(re.findall(rf'{prefix}"(\w+)"', where))
    if keys and not conditions:
        return False
    return bool(limited or keys) and conditions <= _sought(step) | _of_the_index(step)


def _of_the_index(step: str) -> set[str]:
    """Return the columns of the condition of the partial index that `step` uses."""
    index = re.search(r"USING (?:COVERING )?INDEX (\w+)", step)
    with connection.cursor() as cursor:
        cursor.execute("SELECT sql FROM sqlite_master WHERE name = %s", [index[1] if index else ""])
        (sql,) = cursor.fetchone() or ("",)
    return set(re.findall(r'"(\w+)"', (sql or "").partition(" WHERE ")[2]))


def _queries_of(sql: str, name: str) -> Iterator[str]:
    """Yield the queries within `sql` that read from `name`, each without the queries within it."""
    for found in re.finditer(rf'FROM "\w+" {name}\b|FROM "{name}"|JOIN "{name}"', sql):
        begin, depth = found.start(), 0
        while begin > 0 and depth >= 0:
            begin -= 1
            depth += {")": 1, "(": -1}.get(sql[begin], 0)
        begin, end, depth = begin + (depth < 0), found.end(), 0
        while end < len(sql) and depth >= 0:
            depth += {"(": 1, ")": -1}.get(sql[end], 0)
            end += 1
        part = sql[begin : end - (depth < 0)]
        while (shorter := re.sub(r"\(SELECT (?:[^()]|\([^()]*\))*\)", "()", part)) != part:
            part = shorter
        yield part
