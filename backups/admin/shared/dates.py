"""The years, months and days by which a list of runs is narrowed: those that have a run in it.

Django asks for them by `datetimes`, for which SQLite calls a Python function for every row of the list.
"""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from itertools import pairwise
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.db.models import Case, Exists, Max, Min, Q, QuerySet, Subquery, When
from django.utils import timezone
from django.utils.formats import date_format

UNITS = ("year", "month", "day")
# so many rows are read once; in more of them each year, month or day is looked for by itself
FEW = 20_000
# a clock that was wrong once leaves runs of other centuries
MOST_YEARS = 100


def date_hierarchy(changelist: ChangeList) -> dict[str, Any]:
    """Return the context of admin/date_hierarchy.html for the dates at which the runs of `changelist` were created."""

    def link(**chosen: object) -> str:
        return changelist.get_query_string({_parameter(unit): str(chosen[unit]) for unit in chosen}, ["created_at__"])

    def choice(day: date, title: str, units: tuple[str, ...]) -> dict[str, str]:
        return {"link": link(**{unit: getattr(day, unit) for unit in units}), "title": date_format(day, title)}

    # the list has refused what is no date
    year, month, day = (int(changelist.params.get(_parameter(unit)) or 0) for unit in UNITS)
    first, last = _bounds(changelist) if not year else (None, None)
    if first and last and first.year == last.year and not month and not day:
        year, month = first.year, first.month if first.month == last.month else 0
    at = date(year or 1, (year and month) or 1, (year and month and day) or 1)
    if year and month and day:
        back = {"link": link(year=year, month=month), "title": date_format(at, "YEAR_MONTH_FORMAT")}
        return {"show": True, "back": back, "choices": [{"title": date_format(at, "MONTH_DAY_FORMAT")}]}
    if year and month:
        days = _of_them(changelist, list(_starts(at, _next_day, _next_month(at))))
        back = {"link": link(year=year), "title": str(year)}
        return {"show": True, "back": back, "choices": [choice(one, "MONTH_DAY_FORMAT", UNITS) for one in days]}
    if year:
        months = _of_them(changelist, list(_starts(at.replace(month=1), _next_month, _next_year(at))))
        choices = [choice(one, "YEAR_MONTH_FORMAT", UNITS[:2]) for one in months]
        return {"show": True, "back": {"link": link(), "title": "All dates"}, "choices": choices}
    years: list[date] = []
    if first and last:
        begin = max(first.year, last.year - MOST_YEARS + 1)
        years = _of_them(changelist, list(_starts(date(begin, 1, 1), _next_year, _next_year(last))))
    choices = [{"link": link(year=one.year), "title": str(one.year)} for one in years]
    return {"show": True, "back": None, "choices": choices}


def _parameter(unit: str) -> str:
    return f"created_at__{unit}"


def _bounds(changelist: ChangeList) -> tuple[date | None, date | None]:
    """Return the days of the oldest and of the newest run."""
    rows: QuerySet[Any] = changelist.queryset
    if not changelist.result_count:
        return None, None
    if changelist.result_count <= FEW:
        first, last = rows.order_by().aggregate(first=Min("created_at"), last=Max("created_at")).values()
    else:
        # each is one end of an index, but both at once, by MIN and MAX, would be all of it
        ends = (Subquery(rows.order_by(f"{sign}created_at").values("created_at")[:1]) for sign in ("", "-"))
        first, last = rows.model._default_manager.order_by().values_list(*ends)[:1].get()
    return (timezone.localtime(first).date(), timezone.localtime(last).date()) if first else (None, None)


def _of_them(changelist: ChangeList, starts: list[date]) -> list[date]:
    """Return those of the periods of `starts` in which there is a run; the last one is the end of the one before it."""
    if not changelist.result_count:
        return []
    rows: QuerySet[Any] = changelist.queryset.order_by()
    moments = [timezone.make_aware(datetime(one.year, one.month, one.day)) for one in starts]  # noqa: DTZ001
    periods = [Q(created_at__gte=begin, created_at__lt=end) for begin, end in pairwise(moments)]
    if changelist.result_count <= FEW:
        found = rows.aggregate(
            **{f"period_{n}": Max(Case(When(one, then=1))) for n, one in enumerate(periods)}
        ).values()
    else:
        seeks = (Exists(rows.filter(one)) for one in periods)
        found = rows.model._default_manager.order_by().values_list(*seeks)[:1].get()
    return [start for start, is_there in zip(starts, found, strict=False) if is_there]


def _starts(day: date, following: Callable[[date], date], end: date) -> Iterator[date]:
    """Yield the periods from that of `day` on, and `end`."""
    while day < end:
        yield day
        day = following(day)
    yield end


def _next_day(day: date) -> date:
    return date.fromordinal(day.toordinal() + 1)


def _next_month(day: date) -> date:
    return day.replace(year=day.year + day.month // 12, month=day.month % 12 + 1, day=1)


def _next_year(day: date) -> date:
    return date(day.year + 1, 1, 1)
