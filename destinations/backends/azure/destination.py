"""A container of Azure Blob Storage."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import ClassVar

from django import forms

from destinations.backends.azure import listings, locks
from destinations.backends.azure.fields import STRICT, option_fields
from destinations.backends.azure.options import REPLACED, SECRETS, TYPE, check, refuse_replaced
from destinations.backends.azure.steps import AzureSteps
from destinations.backends.base import StoredFile, validate_path
from destinations.backends.base.place import Place
from destinations.network.hosts import canonical_site


class AzureDestination(AzureSteps):
    type = TYPE
    label = "Azure Blob Storage"
    secret_options: ClassVar[frozenset[str]] = SECRETS
    foreign_options: ClassVar[frozenset[str]] = frozenset(REPLACED)

    @classmethod
    def own_fields(cls) -> dict[str, forms.Field]:
        return option_fields()

    @classmethod
    def clean(cls, config: Mapping[str, object]) -> dict[str, object]:
        refuse_replaced(config)
        return super().clean(config)

    @classmethod
    def check_options(cls, options: dict[str, object]) -> dict[str, object]:
        return check(options)

    def location(self) -> str:
        return f"{self._account.url}/{self.options['azure_container']}/{self.options['location']}".rstrip("/")

    def canonical_place(self) -> Place:
        host, port = canonical_site(self._account.url)
        account, container = self._account.name, str(self.options["azure_container"])
        return Place.at(self.type, port, account, container, folder=str(self.options["location"] or ""), host=host)

    # --- access tiers ---------------------------------------------------------------------------------------------
    @property
    def cools_after(self) -> timedelta | None:
        days = int(str(self.options["cool_after_days"]))
        # what is uploaded to a cooler tier is there already
        return timedelta(days=days) if days and self.options["access_tier"] in {"", "Hot"} else None

    def cool(self, path: str) -> None:
        validate_path(path)
        self._call(f"move {path} to the tier Cool", lambda: self._cool(path))

    def _cool(self, path: str) -> None:
        # somebody may have moved it to Cold or Archive, from where this would bring it back
        if (blob := self._look(path)).tier in {"", "Hot"}:
            self._open().cool(blob.name)

    # --- locks and versions ---------------------------------------------------------------------------------------
    def remote_lock(self, path: str, until: datetime) -> None:
        blob = self._look(path)
        # a lock in the strict mode is made longer in that mode only, whatever the option says since
        self._open().lock(blob.name, until, STRICT if blob.lock_mode == STRICT else self._mode)

    def remote_try_lock(self) -> str:
        return locks.try_lock(self._open(), self._prefix, self._mode, self.where)

    def remote_list_hidden(self, prefix: str) -> Iterator[StoredFile]:
        return self._unless_missing(listings.hidden(self._open(), self._prefix + prefix, self._prefix))

    def remote_restore_hidden(self, path: str, size: int | None) -> None:
        listings.restore_hidden(self._open(), self._prefix + path, size, self.where)
