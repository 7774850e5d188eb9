"""Filters of lists that may hold hundreds of thousands of runs."""

from typing import Any

from django.contrib import admin

from backups.service.monitoring.history import instances_of


class InstanceFilter(admin.AllValuesFieldListFilter):
    """Every instance that has a run, whether instances.toml still describes it or not."""

    def __init__(self, field: Any, request: Any, params: Any, model: Any, model_admin: Any, field_path: str) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        self.lookup_choices: Any = instances_of(model)
