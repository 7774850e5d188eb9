"""Pages of a list that may hold hundreds of thousands of runs."""

from typing import TYPE_CHECKING, Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet

if TYPE_CHECKING:
    AnyPaginator = Paginator[Any]
    AnyPage = Page[Any]
else:
    AnyPaginator, AnyPage = Paginator, Page


class RunPaginator(AnyPaginator):
    """Finds the ids of a page in an index, from the nearer end of the list, and reads only the rows that it shows."""

    object_list: QuerySet[Any]

    def page(self, number: int | str) -> AnyPage:
        number = self.validate_number(number)
        rows, first = self.object_list, (number - 1) * self.per_page
        last = min(first + self.per_page, self.count)
        ids = rows.reverse()[self.count - last : self.count - first] if first > self.count // 2 else rows[first:last]
        return Page(rows.filter(pk__in=ids.values("pk")), number, self)
