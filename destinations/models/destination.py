"""The destinations of archives."""

import logging
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone

from destinations.backends import Destination, TestStep, create_destination
from destinations.backends.base import Progress
from destinations.exceptions import DestinationConfigError, DestinationError, DestinationInUse
from destinations.lib.formats import counted
from destinations.models.destination_test import DestinationTest
from destinations.models.options import DestinationOptions
from destinations.models.places import place_problem
from destinations.models.querysets import DestinationManager, DestinationQuerySet
from destinations.policies.encryption_policy import EncryptionField, encryption_constraint
from destinations.policies.retention_fields import RetentionFields, as_json, retention_constraints
from destinations.policies.retention_rule import RetentionError
from destinations.providers import archives_at, uses_of

logger = logging.getLogger(__name__)


def new_id() -> str:
    return str(uuid.uuid4())


class BackupDestination(DestinationOptions, EncryptionField, RetentionFields):
    id = models.TextField(primary_key=True, default=new_id, editable=False)
    enabled = models.BooleanField(
        default=True, help_text="A disabled destination takes no backups; restores still work."
    )
    position = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        blank=True,
        help_text="Restores take the copy of the lowest one; local folders come before what is elsewhere.",
    )
    daily_read_mb = models.PositiveIntegerField(
        "daily reading budget",
        null=True,
        blank=True,
        help_text="MB (millions of bytes) that drills, verifications and the reading back of uploads may read a day, "
        "for a store that charges for what is read; blank means no limit. Restores and downloads are counted and never "
        "refused.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.CharField(max_length=150, blank=True, editable=False)
    last_backup_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_backup_status = models.CharField(max_length=32, blank=True, editable=False)
    managed_by = models.CharField(
        max_length=128, blank=True, editable=False, help_text="the configuration that declares it; then read-only here"
    )
    # Set by the first archive stored: from then on a missing or empty place is an error, not a fresh start.
    established = models.BooleanField(default=False, editable=False)

    free_bytes = models.BigIntegerField(
        null=True, blank=True, editable=False, help_text="what was free there when a backup or a test last looked"
    )
    free_bytes_at = models.DateTimeField(null=True, blank=True, editable=False)

    removed_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="when it was deleted; the history of its backups has its name"
    )

    objects = DestinationManager()
    with_removed = DestinationQuerySet.as_manager()

    class Meta:
        db_table = "backup_destinations"
        ordering = ("name",)
        permissions = (("test_backupdestination", "Can test the connection of backup destination"),)
        constraints = (
            models.CheckConstraint(condition=~models.Q(name=""), name="backup_destination_has_a_name"),
            encryption_constraint(),
            *retention_constraints(),
        )

    def __str__(self) -> str:
        return self.name

    def configure(self, options: Mapping[str, object]) -> None:
        """Take `options`; when `append_only` is switched off, the confirmed rule is one that keeps everything.

        Raises `DestinationConfigError`.
        """
        was_append_only = self.append_only
        super().configure(options)
        if was_append_only and not self.append_only:
            # no rule has deleted anything here so far
            self.confirmed_rule = as_json(None)

    def open(self, *, while_waiting: Progress | None = None) -> Destination:
        """Return the destination, to be closed by the caller. Raises `DestinationConfigError`.

        `while_waiting` is called with 0 while it waits for its server, and ends that by what it raises.
        """
        opened = create_destination(self.type, self.options(), established=self.established)
        if while_waiting is not None:
            opened.while_waiting = lambda _: while_waiting(0)
        return opened

    def clean(self) -> None:
        """Refuse a name or a place that is another destination's, and a change that puts archives out of reach."""
        super().clean()
        if BackupDestination.with_removed.filter(name=self.name, removed_at__isnull=False).exclude(pk=self.pk).exists():
            raise ValidationError(
                {"name": f"A deleted destination is called {self.name}, and the history of its backups says so. "
                         "Choose another name."}
            )  # fmt: skip
        if not self.config_json:
            return
        self._keep_archives_in_reach()
        try:
            here = self.place()
        except DestinationConfigError:
            # said by the form of its type, and by every use
            return
        others = BackupDestination.objects.filter(type=self.type).exclude(pk=self.pk)
        if problem := place_problem(here, others, moved=not self._is_unmoved(here)):
            raise ValidationError(problem)

    def _is_unmoved(self, here: Destination) -> bool:
        stored = BackupDestination.objects.filter(pk=self.pk).first()
        try:
            return stored is not None and stored.place().is_same_place(here)
        except DestinationConfigError:
            return False

    def _keep_archives_in_reach(self) -> None:
        """Raise ValidationError for a new place when archives are recorded at the stored one."""
        stored = BackupDestination.objects.filter(pk=self.pk).first()
        if stored is None:
            return
        try:
            moved = not stored.place().is_same_place(self.place())
        except DestinationConfigError:
            # options that cannot be read are entered again: without a location there is nothing to compare
            moved = bool(stored._location())
        if not moved:
            return
        # where nothing is recorded, the place may be corrected
        count = archives_at(self)
        if count:
            raise ValidationError(
                f"Destination {stored.name!r} cannot be moved from {stored._location()} to {self._location()}: "
                f"{count} of its archives would be out of reach. Add a new destination for the new place and disable "
                "this one. How to move archives: docs/catalogue.md.",
                code="moved",
            )
        # the new place may be empty
        self.established = False

    def _location(self) -> str:
        try:
            return self.place().location()
        except DestinationConfigError:  # reported by the system check of the database, and by every use
            return ""

    @property
    def daily_read_bytes(self) -> int | None:
        """The daily reading budget; None for no limit."""
        return None if self.daily_read_mb is None else self.daily_read_mb * 1_000_000

    def type_warnings(self) -> tuple[str, ...]:
        """Return what its type has to say about the options (see `Destination.warnings`)."""
        try:
            with self.open() as opened:
                return opened.warnings()
        except DestinationConfigError:  # reported by the system check of the database, and by every use
            return ()

    def tested(self, *, user: str, report: Callable[[TestStep], None] = lambda step: None) -> DestinationTest:
        """Test the connection (see `Destination.test`), log the result and return it, unsaved; it may have failed."""
        result = DestinationTest(destination=self, tested_by=user)

        def add(step: TestStep) -> None:
            result.add(step)
            report(step)

        try:
            with self.open() as destination:
                destination.test(add)
                result.free_bytes = destination.tested_free_bytes
        except DestinationError as error:
            result.fail(error)
            logger.warning("destination tested name=%s user=%s result=failed error=%r", self.name, user, error.message)
        else:
            logger.info("destination tested name=%s user=%s result=works", self.name, user)
        return result

    @property
    def rule_text(self) -> str:
        """What its retention rule keeps, or what is wrong with the rule."""
        try:
            pending = " (not confirmed)" if self.rule_pending_since else ""
            store = " (append-only: left to the store)" if self.append_only else ""
            return f"{self.rule() or 'everything'}{pending}{store}"
        except RetentionError as error:
            return error.text

    def test(self, *, user: str, report: Callable[[TestStep], None] = lambda step: None) -> DestinationTest:
        """Test the connection and keep the result in the history. Raises `DestinationError` when it failed."""
        result = self.tested(user=user, report=report)
        result.save()
        if result.failure is not None:
            raise result.failure
        return result

    def protected_by(self) -> list[str]:
        """Return the protected references to this, such as `12 backup executions`."""
        found = []
        for relation in self._meta.related_objects:
            if relation.on_delete in (models.PROTECT, models.RESTRICT):
                count = relation.related_model._base_manager.filter(**{relation.field.name: self.pk}).count()
                names = relation.related_model._meta
                if count:
                    found.append(counted(count, str(names.verbose_name), str(names.verbose_name_plural)))
        return found

    def require_unused(self) -> None:
        """Raise DestinationInUse while schedules, copies or runs need it."""
        if users := uses_of(self):
            raise DestinationInUse(
                f"Destination {self.name!r} cannot be deleted: it is used by {' and '.join(users)}.",
                "Disable it, then nothing is stored there any more. Once its copies are deleted or given up it can be "
                "deleted.",
            )

    def remove(self) -> None:
        """Delete it with its options; the row stays hidden where backups refer to it. Raises DestinationInUse."""
        with transaction.atomic():
            # no schedule and no backup begins to refer to the row while it is locked
            BackupDestination.with_removed.select_for_update().filter(pk=self.pk).first()
            self.require_unused()
            if not self.protected_by():
                self.delete()
                return
            for relation in self._meta.get_fields(include_hidden=True):
                if isinstance(relation, models.ManyToOneRel) and relation.on_delete is models.CASCADE:
                    relation.related_model._base_manager.filter(**{relation.field.name: self.pk}).delete()
            self.removed_at, self.enabled, self.config_json = timezone.now(), False, {}
            self.save(update_fields=["removed_at", "enabled", "config_json"])

    def record_backup(self, status: str, at: datetime, *, stored: bool) -> None:
        """Record the result of the latest backup; `stored` when its archive is here."""
        self.last_backup_at, self.last_backup_status = at, status
        changed = ["last_backup_at", "last_backup_status"]
        if stored:  # never written back as False from a row read before another backup was stored
            self.established = True
            changed.append("established")
        self.save(update_fields=changed)

    def record_free_space(self, free_bytes: int | None) -> None:
        """Record what is free there now; None, where it does not say, leaves what was known."""
        if free_bytes is not None:
            self.free_bytes, self.free_bytes_at = free_bytes, timezone.now()
            BackupDestination.objects.filter(pk=self.pk).update(
                free_bytes=self.free_bytes, free_bytes_at=self.free_bytes_at
            )

    def record_deletion(self) -> None:
        """Take the place for a new one when none of its archives is left: then it may be empty."""
        if not archives_at(self):
            BackupDestination.objects.filter(pk=self.pk).update(established=False)
            self.established = False
