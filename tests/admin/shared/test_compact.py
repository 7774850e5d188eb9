"""What the tag `compact` leaves out: of an attribute it never takes quotes that its value needs."""

from html.parser import HTMLParser

import pytest
from django.template import engines

TEMPLATE = (
    '{% load backups %}{% compact %}\n  <p data-before="x" title="{{ value }}" data-after="y">\n'
    "  {{ value }}</p>\n{% endcompact %}"
)


class Reader(HTMLParser):
    """Keeps the attributes of each element, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def compacted(value: str) -> str:
    return engines["django"].from_string(TEMPLATE).render({"value": value})


@pytest.mark.parametrize("sign", [*" \"'=<>`&\t\f\r", "\u00a0", ""], ids=lambda sign: f"U+{ord(sign or chr(0)):04X}")
@pytest.mark.parametrize("around", ["{}", "a{}b", "a{}", "{}b", 'x" y="{}', 'x="{}" '])
def test_a_value_with_a_sign_that_ends_a_bare_one_keeps_its_quotes(around: str, sign: str) -> None:
    value = around.format(sign)
    page = compacted(value)
    ((tag, attributes),) = Reader(page).elements
    assert (tag, attributes) == ("p", {"data-before": "x", "title": value, "data-after": "y"})
    assert Reader(page).text.strip() == value.strip()
    # a lenient reader takes some of them bare, and the standard calls that an error
    if sign or not value:
        assert ' title="' in page


@pytest.mark.parametrize("value", ["a", "shop-1", "/admin/backups/", "2026-11-28T02:47:50+00:00", "1.5", "ä"])
def test_a_value_without_any_stands_bare_and_is_read_as_it_was(value: str) -> None:
    page = compacted(value)
    assert f" title={value} " in page
    ((_, attributes),) = Reader(page).elements
    assert attributes == {"data-before": "x", "title": value, "data-after": "y"}


def test_the_slash_of_an_element_that_closes_itself_is_no_part_of_a_value() -> None:
    text = '{% load backups %}{% compact %}<path d="M0"/><path d="M1" /><br class="a">{% endcompact %}'
    assert engines["django"].from_string(text).render() == '<path d="M0"/><path d=M1 /><br class=a>'
