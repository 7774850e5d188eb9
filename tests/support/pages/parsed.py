"""Pages of the site as a tree of elements, found by their data attributes.

What the attributes mean is the same on every page:

``data-field``    one fact; its text is for people, ``data-value`` is the value itself where the text formats it
``data-row``      a row of a table or a list, by what identifies it
``data-status``   the state of a run, a row, a component or a section
``data-run``      the state of one run, by its id
``data-notice``   a box or a line that tells of something, by its kind; ``data-about`` is whom it concerns
``data-flag``     a mark that is there or not
``data-action``   a button or a link that starts, changes or leads to something
``data-fault``    an error of a form, by the field; ``__all__`` for one of the form as a whole
``data-section``  a part of the page, ``data-component`` one component of an instance
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from django.test import Client

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
FORM = "__all__"


class Element:
    """An element of a page, and how to find others in it."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[Element | str] = []

    def __iter__(self) -> Iterator["Element"]:
        """Yield every element in it, in the order of the page."""
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child

    def __getitem__(self, attribute: str) -> str:
        return self.attributes[attribute]

    def get(self, attribute: str) -> str:
        return self.attributes.get(attribute, "")

    @property
    def text(self) -> str:
        """Return what a person reads of it: no tags, no two spaces."""
        words = " ".join("".join(self._texts()).split())
        return re.sub(r" (?=[,.;:)])|(?<=\() ", "", words)

    def _texts(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            elif child.tag not in ("script", "style"):
                yield " "
                yield from child._texts()
                yield " "

    @property
    def value(self) -> str:
        """Return the value of a fact: ``data-value``, or the text where that is the value."""
        return self.attributes.get("data-value", self.text)

    @property
    def status(self) -> str:
        return self["data-status"]

    # --- any elements ---------------------------------------------------------------------------------------------
    def all(self, tag: str = "", **attributes: str) -> list["Element"]:
        """Return the elements with these attributes, ``data_field="size"`` for ``data-field``; "*" for any value."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            element
            for element in self
            if (not tag or element.tag == tag) and all(element._has(name, value) for name, value in wanted.items())
        ]

    def _has(self, name: str, value: str) -> bool:
        if name not in self.attributes:
            return False
        # an element has several classes
        return value == "*" or value == self[name] or (name == "class" and value in self[name].split())

    def one(self, tag: str = "", **attributes: str) -> "Element":
        """Return the only such element, or fail."""
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} of {tag} {attributes} in {self.text}"
        return found[0]

    def links(self) -> list[str]:
        return [element["href"] for element in self.all("a", href="*")]

    # --- by what they are -----------------------------------------------------------------------------------------
    def section(self, name: str) -> "Element":
        return self.one(data_section=name)

    def sections(self) -> list[str]:
        return [element["data-section"] for element in self.all(data_section="*")]

    def component(self, name: str) -> "Element":
        return self.one(data_component=name)

    def field(self, name: str) -> "Element":
        return self.one(data_field=name)

    def fields(self, name: str) -> list[str]:
        """Return the values of every field of that name."""
        return [element.value for element in self.all(data_field=name)]

    def facts(self, *names: str) -> dict[str, str]:
        """Return the values of these fields, each of which is there once."""
        return {name: self.field(name).value for name in names}

    def has_field(self, name: str) -> bool:
        return bool(self.all(data_field=name))

    def rows(self) -> list[str]:
        return [element["data-row"] for element in self.all(data_row="*")]

    def row(self, name: str) -> "Element":
        return self.one(data_row=name)

    def run(self, pk: str = "*") -> "Element":
        """Return the state of the run, or of the only one that the page shows."""
        return self.one(data_run=pk)

    def notices(self) -> list[str]:
        return [element["data-notice"] for element in self.all(data_notice="*")]

    def notice(self, kind: str, about: str = "") -> "Element":
        return self.one(data_notice=kind, **({"data_about": about} if about else {}))

    def flags(self) -> list[str]:
        return [element["data-flag"] for element in self.all(data_flag="*")]

    def actions(self) -> set[str]:
        return {element["data-action"] for element in self.all(data_action="*")}

    def action(self, name: str) -> "Element":
        return self.one(data_action=name)


class Page(Element):
    """What the site answered; `html` is its source."""

    def __init__(self, html: str) -> None:
        super().__init__("", {})
        self.html = html
        _Parser(self).feed(html)

    @property
    def title(self) -> str:
        return self.one("h1").text

    @property
    def content(self) -> Element:
        return self.one(id="content-main")

    # --- messages -------------------------------------------------------------------------------------------------
    def messages(self) -> list[str]:
        """Return the levels of what the site says of the last action, such as "success"."""
        return [element.get("class") for element in self._messages()]

    def message(self, level: str = "*") -> str:
        """Return the only message of that level."""
        texts = self.message_texts(level)
        assert len(texts) == 1, f"{len(texts)} messages: {texts}"
        return texts[0]

    def message_texts(self, level: str = "*") -> list[str]:
        return [element.text for element in self._messages() if level in ("*", element.get("class"))]

    def _messages(self) -> list[Element]:
        lists = [element for element in self.all("ul") if element.get("class") == "messagelist"]
        return [item for found in lists for item in found.all("li") if "data-notice" not in item.attributes]

    # --- forms ----------------------------------------------------------------------------------------------------
    def faults(self) -> dict[str, str]:
        """Return what is wrong by field, in our forms and in those of Django's admin."""
        ours = {element["data-fault"]: element.text for element in self.all(data_fault="*")}
        django = {_field_of(found): found.text for found in self.all("ul") if "errorlist" in found.get("class").split()}
        return django | ours

    def inputs(self, name: str, **attributes: str) -> list[str]:
        return [element.get("value") for element in self.all("input", name=name, **attributes)]

    def ticked(self, name: str) -> list[str]:
        return self.inputs(name, checked="*")

    def options(self, name: str) -> list[str]:
        """Return the labels that a select offers."""
        return [option.text for option in self.one("select", name=name).all("option")]

    def chosen(self, name: str) -> list[str]:
        """Return the labels that are selected, in every select of that name."""
        return [
            option.text for select in self.all("select", name=name) for option in select.all("option", selected="*")
        ]

    # --- lists of Django's admin ----------------------------------------------------------------------------------
    def listed(self) -> list[Element]:
        """Return the rows of the list."""
        tables = self.all("table", id="result_list")
        return [row for table in tables for body in table.all("tbody") for row in body.all("tr")]

    def listed_runs(self) -> list[str]:
        """Return the ids of the runs in the list, in its order."""
        return [row.run()["data-run"] for row in self.listed()]

    def listed_row(self, pk: str) -> Element:
        (found,) = (row for row in self.listed() if row.all(data_run=pk))
        return found

    def columns(self) -> list[str]:
        """Return the names of the columns of the list."""
        heads = [head for table in self.all("table", id="result_list") for head in table.all("th", scope="col")]
        return [name for head in heads for name in re.findall(r"column-(\S+)", head.get("class"))]

    def filter_links(self, parameter: str) -> set[str]:
        """Return the values that the filters of the list offer for `parameter`."""
        found = (re.search(rf"[?&]{re.escape(parameter)}=([^&]+)", link) for link in self.links())
        return {match[1] for match in found if match}


class _Parser(HTMLParser):
    """Builds the tree; an element that is closed by its parent's end is closed with it."""

    def __init__(self, page: Page) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[Element] = [page]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        for depth in range(len(self._open) - 1, 0, -1):
            if self._open[depth].tag == tag:
                del self._open[depth:]
                return

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def _field_of(errors: Element) -> str:
    """Return the field of a list of errors in a form of Django's admin."""
    found = re.fullmatch(r"id_(\w+)_error", errors.get("id"))
    return found[1] if found else FORM


def page_at(client: Client, address: str, data: dict[str, Any] | None = None, *, status: int = 200) -> Page:
    """Return the page behind `address`, after redirects, or fail."""
    response = client.get(address, follow=True) if data is None else client.post(address, data, follow=True)
    assert response.status_code == status, response.status_code
    return Page(response.content.decode())
