"""Lists of the admin that answer every search and every filter, however malformed."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.filters import AllValuesFieldListFilter
from django.contrib.admin.options import IncorrectLookupParameters, ModelAdmin
from django.contrib.admin.views.main import ERROR_FLAG, ChangeList
from django.db import DataError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from destinations.lib.formats import human_count

if TYPE_CHECKING:
    _ModelAdmin = ModelAdmin[Any]
else:
    _ModelAdmin = object
# each word is a condition on every searched column: SQLite takes about a thousand of them
MOST_WORDS = 30
LONGEST_SEARCH = 1_000


class NamedValues(AllValuesFieldListFilter):
    """A filter by the values of a column, where an empty one is a link with a name too."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] or "not yet"}


class BoundedList(ChangeList):
    """Treats a filter whose value no column can hold, such as a year of 400 digits, as every other malformed one."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> QuerySet[Any]:
        try:
            return super().get_queryset(request, exclude_parameters)
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters(error) from error

    def get_results(self, request: HttpRequest) -> None:
        try:
            super().get_results(request)
        except (ValueError, OverflowError, DataError) as error:
            # some values reach the database first, here with the count of the rows
            raise IncorrectLookupParameters(error) from error
        # "Show all" beside the search would lead to the same list
        if self.full_result_count is None and not self.query and not self.has_active_filters:
            self.full_result_count = self.result_count


class BoundedLists(_ModelAdmin):
    """Mixin of a ModelAdmin: says what is wrong with a search that is too long, and with a filter that does not fit."""

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return BoundedList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        words = len(search_term.split())
        if words <= MOST_WORDS and len(search_term) <= LONGEST_SEARCH:
            return super().get_search_results(request, queryset, search_term)
        messages.error(
            request,
            f"Nothing was searched: {human_count(words)} words with {human_count(len(search_term))} characters are too "
            f"many. Search for at most {MOST_WORDS} words.",
        )
        return queryset.none(), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        # Django leads to the whole list without a word
        if isinstance(response, HttpResponseRedirect) and response.url == f"{request.path}?{ERROR_FLAG}=1":
            messages.error(request, "The filter in the address does not fit this list, so all of it is shown.")
        return response
