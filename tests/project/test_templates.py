"""What holds for every template: no look-up of a method on a mapping, and what scripts look for has its attributes.

`mapping.items` is what stands under the key "items", if it is there.
"""

import re

from tests.support.paths import PROJECT

ROOT = PROJECT / "templates"
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


def unmarked(text: str) -> list[str]:
    """Return the tags of buttons without a `data-action`, and of boxes that say neither what of nor where."""
    buttons = re.findall(r'<\w+ class="bs-button\b[^>]*>', text)
    boxes = re.findall(r'<\w+ class="bs-box\b[^>]*>', text)
    return [tag for tag in buttons if "data-action=" not in tag] + [
        tag for tag in boxes if not re.search("data-(?:notice|fault)=", tag)
    ]


def test_every_button_and_every_box_is_found_by_an_attribute() -> None:
    files = list((ROOT / "admin").rglob("*.html"))
    assert sum(path.read_text().count('class="bs-box') for path in files) > 20
    assert {str(path.relative_to(ROOT)): found for path in files if (found := unmarked(path.read_text()))} == {}


def test_a_button_or_a_box_without_one_would_be_found() -> None:
    assert unmarked('<a class="bs-button bs-danger" href="/">') == ['<a class="bs-button bs-danger" href="/">']
    assert unmarked('<div class="bs-box bs-error" role="alert">') == ['<div class="bs-box bs-error" role="alert">']
    assert (
        unmarked('<div class="bs-box" data-notice="x"><button class="bs-button" data-action="y"><p class="bs-buttons">')
        == []
    )
