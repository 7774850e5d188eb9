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
``data-day``      squares of a strip of days, by what they say; ``data-copy`` a copy by its destination
``data-section``  a part of the page, ``data-component`` one component of an instance
"""

import re
from typing import Any

from django.test import Client

from tests.support.pages.elements import Element, TreeBuilder

FORM = "__all__"


class Page(Element):
    """What the site answered; `html` is its source."""

    def __init__(self, html: str) -> None:
        super().__init__("", {})
        self.html = html
        TreeBuilder(self).feed(html)

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


def _field_of(errors: Element) -> str:
    """Return the field of a list of errors in a form of Django's admin."""
    found = re.fullmatch(r"id_(\w+)_error", errors.get("id"))
    return found[1] if found else FORM


def page_at(client: Client, address: str, data: dict[str, Any] | None = None, *, status: int = 200) -> Page:
    """Return the page behind `address`, after redirects, or fail."""
    response = client.get(address, follow=True) if data is None else client.post(address, data, follow=True)
    assert response.status_code == status, response.status_code
    return Page(response.content.decode())
