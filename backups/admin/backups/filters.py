"""Filters of the list of backups: what became of the archive, its drill, its encryption, its pin."""

from typing import Any, cast

from django.contrib import admin
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest

from backups.models import BackupCopy
from backups.models.querysets import DAMAGED, DELETED, DRILLED, LACKS_A_COPY, MISSING, STORED, BackupQuerySet
from destinations.models import BackupDestination

Choice = tuple[str, str, Q]
# The copies of a row of the list that were ever stored, deleted ones too. The condition of an index, as a literal: of
# a parameter SQLite does not know that it is met, and reads each copy.
_KEPT = BackupCopy.objects.filter(execution=OuterRef("pk")).exclude(path=RawSQL("''", ()))


class ChoiceFilter(admin.SimpleListFilter):
    """A filter whose `choices_by_condition` are value, label and condition. The conditions are those of indexes."""

    choices_by_condition: tuple[Choice, ...]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, label) for value, label, _ in self.choices_by_condition]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        conditions = [condition for value, _, condition in self.choices_by_condition if value == self.value()]
        return queryset.filter(*conditions)


class ArchiveFilter(ChoiceFilter):
    title, parameter_name = "archive", "archive"
    choices_by_condition = (
        ("stored", "Stored", STORED),
        ("missing", "Missing", MISSING),
        ("damaged", "Damaged", DAMAGED),
        ("lacks-a-copy", "Lacks a copy", LACKS_A_COPY),
        ("deleted", "Deleted", DELETED),
    )


class DestinationFilter(admin.SimpleListFilter):
    """By every copy, not only the first one, which the row of a backup names.

    A copy that is missing, damaged or did not arrive counts: the backup was made for that destination. One that was
    deleted there counts only where no copy of the backup is left.
    """

    # that of the column, in the addresses that people kept
    title, parameter_name = "destination", "destination__id__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        # the history of deleted ones as well
        present_first = F("removed_at").asc(nulls_first=True)
        found = BackupDestination.with_removed.order_by(present_first, "name").values_list("pk", "name", "removed_at")
        return [(pk, f"{name} (deleted)" if removed_at else name) for pk, name, removed_at in found]

    def has_output(self) -> bool:
        return len(self.lookup_choices) > 1 or self.value() is not None

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if (wanted := self.value()) is None:
            return queryset
        backups = cast("BackupQuerySet", queryset)
        return backups.at_destination(wanted, BackupCopy.objects.exclude(state="deleted"))


class DrillFilter(ChoiceFilter):
    title, parameter_name = "drill", "drill"
    choices_by_condition = (
        ("passed", "Passed", DRILLED & Q(drill__verdict="passed")),
        ("failed", "Failed", DRILLED & Q(drill__verdict="failed")),
        ("none", "Not drilled", STORED & Q(drill__isnull=True)),
    )


class EncryptionFilter(ChoiceFilter):
    """By the archives of a backup: one with copies for different encryptions is found by each."""

    title, parameter_name = "encryption", "encryption"
    choices_by_condition = (
        ("yes", "Encrypted", Q(Exists(_KEPT.filter(encryption__gt="")))),
        ("no", "Not encrypted", Q(Exists(_KEPT.filter(encryption="")), status="completed")),
    )


class PinFilter(ChoiceFilter):
    title, parameter_name = "pin", "pin"
    choices_by_condition = (("yes", "Pinned", Q(pinned=True)),)
