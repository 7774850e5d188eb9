"""The columns of a destination's retention rule, and the default rule of the site."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import CheckConstraint, Q

from destinations.policies.retention_rule import LARGEST_NUMBER, NUMBERS, SETTINGS_OF, RetentionError, Rule

MAX_RETENTION_DAYS = 3650
_COLUMNS = {"strategy": "retention_strategy", "keep_days": "retention_days"}
NUMBER_COLUMNS = tuple(_COLUMNS.get(name, name) for name in (*NUMBERS, "min_keep"))
RETENTION_COLUMNS = ("retention_strategy", *NUMBER_COLUMNS)


class Strategy(models.TextChoices):
    NONE = "none", "none: everything stays for ever"
    SIMPLE = "simple", "simple: an age, a number, or both"
    GFS = "gfs", "gfs: so many days, weeks, months and years"
    HANOI = "hanoi", "hanoi: dense near today, sparse in the past"

    __empty__ = "the default of the site"


def as_json(rule: Rule | None) -> dict[str, Any]:
    """Return the rule as it is stored in a row; None keeps everything."""
    return {"strategy": Strategy.NONE.value} if rule is None else asdict(rule)


def from_json(values: Mapping[str, Any]) -> Rule | None:
    return None if values["strategy"] == Strategy.NONE else Rule(**values)


def site_rule() -> Rule | None:
    """Return the rule of destinations that have none; None keeps everything. Raises RetentionError."""
    wanted = {setting: value for setting, value in settings.BACKUP_RETENTION.items() if value not in (None, "")}
    return _rule_of(wanted.pop("strategy", ""), wanted)


def _rule_of(strategy: str, numbers: dict[str, int]) -> Rule | None:
    if strategy not in ("", Strategy.NONE):
        return Rule(strategy=strategy, **numbers)
    for name in numbers:
        raise RetentionError(
            f"{name} has no effect without a retention strategy.",
            f"Choose one of {', '.join(SETTINGS_OF)}, or leave {name} out.",
            name,
        )
    return None


def _number(smallest: int, help_text: str) -> "models.PositiveIntegerField[int | None, int | None]":
    return models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(smallest), MaxValueValidator(LARGEST_NUMBER)],
        help_text=help_text,
    )


class RetentionFields(models.Model):
    """A rule of its own, or none: then that of the site holds. `retention_days` alone means `simple`."""

    retention_strategy = models.CharField(
        max_length=16, blank=True, choices=Strategy, help_text="Which backups stay: docs/retention.md."
    )
    retention_days = models.PositiveIntegerField(
        "keep days",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_RETENTION_DAYS)],
        help_text="For simple and hanoi: keep what is not older than so many days.",
    )
    keep_count = _number(1, "For simple: keep so many of the newest, however old they are.")
    keep_daily = _number(0, "For gfs: the newest backup of each of so many days.")
    keep_weekly = _number(0, "For gfs: of each of so many weeks.")
    keep_monthly = _number(0, "For gfs: of each of so many months.")
    keep_yearly = _number(0, "For gfs: of each of so many years.")
    min_keep = _number(1, "So many of the newest good backups stay whatever the rule says; blank means 3.")

    # The last rule that a person agreed to, or that would have deleted no more than that one. A rule that came about in
    # another way (a service's configuration, the settings of the site) and would delete more waits for a person.
    confirmed_rule = models.JSONField(null=True, editable=False)
    rule_pending_since = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True

    def rule(self) -> Rule | None:
        """Return the rule that holds here; None keeps everything. Raises RetentionError."""
        own = self._own_rule()
        return site_rule() if own is None and self.retention_strategy != Strategy.NONE else own

    def last_confirmed_rule(self) -> Rule | None:
        """Return the rule that may delete in any case; None keeps everything. Raises RetentionError."""
        return self.rule() if self.confirmed_rule is None else from_json(self.confirmed_rule)

    def _own_rule(self) -> Rule | None:
        settings_of_rule = zip((*NUMBERS, "min_keep"), NUMBER_COLUMNS, strict=True)
        numbers = {name: value for name, column in settings_of_rule if (value := getattr(self, column)) is not None}
        implied = Strategy.SIMPLE.value if self.retention_days else ""
        return _rule_of(self.retention_strategy or implied, numbers)

    def clean(self) -> None:
        super().clean()
        try:
            self._own_rule()
        except RetentionError as error:
            raise ValidationError({_COLUMNS.get(error.setting, error.setting): error.text}) from error


def _only_with(strategies: set[str], *columns: str) -> Q:
    """Refuse numbers that the strategy does not read: they would have no effect."""
    unused = Q()
    for column in columns:
        unused &= Q(**{column: None}) | Q(**{column: 0})
    return Q(retention_strategy__in=sorted(strategies)) | unused


def _some(*columns: str) -> Q:
    given = Q()
    for column in columns:
        # a comparison with NULL is unknown, and a check constraint lets that pass
        given |= Q(**{f"{column}__isnull": False, f"{column}__gt": 0})
    return given


def _within(column: str, smallest: int, largest: int) -> CheckConstraint:
    return CheckConstraint(
        condition=Q(**{column: None}) | Q(**{f"{column}__range": (smallest, largest)}),
        name=f"backup_destination_{column}",
    )


def retention_constraints() -> tuple[CheckConstraint, ...]:
    """Return the checks of `Rule` as constraints of the database."""
    gfs = SETTINGS_OF["gfs"]
    return (
        CheckConstraint(condition=Q(retention_strategy__in=["", *Strategy.values]), name="backup_destination_strategy"),
        _within("retention_days", 1, MAX_RETENTION_DAYS),
        _within("keep_count", 1, LARGEST_NUMBER),
        *(_within(column, 0, LARGEST_NUMBER) for column in gfs),
        _within("min_keep", 1, LARGEST_NUMBER),
        CheckConstraint(
            condition=_only_with({"", "simple", "hanoi"}, "retention_days")
            & _only_with({"", "simple"}, "keep_count")
            & _only_with({"gfs"}, *gfs),
            name="backup_destination_numbers_fit",
        ),
        CheckConstraint(
            condition=~Q(retention_strategy__in=["simple", "gfs"]) | _some("retention_days", "keep_count", *gfs),
            name="backup_destination_rule_has_a_number",
        ),
    )
