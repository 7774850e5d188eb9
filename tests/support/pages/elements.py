"""The tree of elements of a page."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


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


class TreeBuilder(HTMLParser):
    """Builds the tree below `root`; an element that is closed by its parent's end is closed with it."""

    def __init__(self, root: Element) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[Element] = [root]

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
