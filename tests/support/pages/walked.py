"""Every page of the admin that a GET shows, found in the registry of models and in the URL patterns."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import ModelAdmin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

WORDS = ("shop", "none-such", "before the")
# one page of each kind suffices
MOST_CHOICES = 12


def addresses_of_lists(client: Client) -> Iterator[str]:
    """Yield the address of each list: every page of it, filter, order, date and search that it offers."""
    for model, of_model in list(admin.site._registry.items()):
        page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        yield page
        response = client.get(page)
        assert response.status_code == 200, page
        changelist: ChangeList = response.context_data["cl"]
        yield from (f"{page}?p={number}" for number in range(2, changelist.paginator.num_pages + 1))
        for spec in changelist.filter_specs:
            choices = list(spec.choices(changelist))[1 : 1 + MOST_CHOICES]
            yield from (page + choice["query_string"] for choice in choices)
        for number, column in enumerate(changelist.list_display):
            if changelist.get_ordering_field(column) and column in (of_model.sortable_by or changelist.list_display):
                yield from (f"{page}?o={number}", f"{page}?o=-{number}")
        if of_model.search_fields:
            yield from (f"{page}?q={word}" for word in WORDS)
        if moment := of_model.date_hierarchy:
            at = getattr(model._default_manager.order_by(f"-{moment}").first(), moment)
            for depth in (1, 2, 3):
                parts = [f"{moment}__{unit}={getattr(at, unit)}" for unit in ("year", "month", "day")[:depth]]
                yield f"{page}?{'&'.join(parts)}"


def addresses_of_views(arguments: dict[str, Any], left_out: dict[str, str]) -> Iterator[str]:
    """Yield the address of each named view below the admin, with the `arguments` of its pattern by their name.

    An `object_id` is that of the newest row of the model whose name the view begins with. `left_out` has names of
    views, with the reason for each.
    """
    for pattern in _patterns(get_resolver().url_patterns):
        if pattern.name is None or pattern.name in left_out:
            continue
        kwargs = {name: arguments.get(name) or _newest(pattern.name, name) for name in pattern.pattern.converters}
        yield reverse(f"admin:{pattern.name}", kwargs=kwargs)


def _newest(view: str, argument: str) -> Any:
    for model in admin.site._registry:
        if view.startswith(f"{model._meta.app_label}_{model._meta.model_name}_"):
            return _first(model, admin.site._registry[model]).pk
    raise AssertionError(f"The view {view} has an argument {argument}: say which value a test gives it.")


def _first(model: type[Model], of_model: "ModelAdmin[Any]") -> Model:
    row = model._default_manager.order_by(*(of_model.ordering or model._meta.ordering or ["pk"])).first()
    assert row is not None, f"no row of {model.__name__}"
    return row


def _patterns(patterns: list[Any]) -> Iterator[URLPattern]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns)
        elif isinstance(pattern, URLPattern):
            yield pattern
