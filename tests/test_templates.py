"""No template looks a method up on a mapping: `mapping.items` is what stands under the key "items", if it is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent / "templates"
TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
TEXT = re.compile(r"\"[^\"]*\"|'[^']*'")
METHOD = re.compile(r"[\w.]+\.(?:items|keys|values|get|pop|popitem|copy|update|setdefault|clear|count|index|\d+)\b")
# what is a list or an object of ours, and no mapping
ALLOWED = {"way.backups.0", "overview.destinations.0"}


def lookups(text: str) -> set[str]:
    return {found for tag in TAG.findall(text) for found in METHOD.findall(TEXT.sub("", tag))} - ALLOWED


def test_no_template_looks_up_a_method_of_a_mapping() -> None:
    files = [path for path in ROOT.rglob("*") if path.suffix in (".html", ".txt")]
    assert len(files) > 40
    assert {str(path.relative_to(ROOT)): found for path in files if (found := lookups(path.read_text()))} == {}


def test_such_a_look_up_would_be_found() -> None:
    assert lookups("{% for a, b in entry.tables.items %}{{ row.counts.values|length }} x.keys {{ a.0 }}") == {
        "entry.tables.items", "row.counts.values", "a.0"
    }  # fmt: skip
    assert lookups('{{ form.get_value }}{{ overview.destinations.0.pk }}{% url "a.get" %}') == set()
