"""Requests to one container. Imports azure-storage-blob and azure-identity: load it by the extra of the type."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from azure.core import MatchConditions
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ManagedIdentityCredential
from azure.storage.blob import (
    BlobBlock,
    BlockState,
    ContainerClient,
    ContentSettings,
    ImmutabilityPolicy,
    StandardBlobTier,
)

from destinations.backends.azure.account import Account
from destinations.backends.azure.answers import AzureRefused
from destinations.backends.azure.blob import Blob, blob_of
from destinations.backends.azure.library_errors import refused_by
from destinations.exceptions import DestinationConfigError, DestinationUnavailable
from destinations.network.connections import Connections
from destinations.network.http_adapter import tracked_session
from destinations.transfer.watch import Aborted

CONNECT_SECONDS = 10
READ_BYTES = 256 * 1024
PAGE = 1000
COPY_POLL_SECONDS = 0.5
# the library logs each request with its headers as INFO
_quiet = logging.getLogger(f"{__name__}.requests")
_quiet.setLevel(logging.WARNING)

T = TypeVar("T")


class Container:
    """Sends requests about one container, from several threads; `drop` makes those under way fail."""

    def __init__(self, account: Account, options: Mapping[str, Any], *, timeout: float, threads: int) -> None:
        self._dropped = False
        self._connections = Connections()
        self._timeout = timeout
        verify: str = options["verify"] or ""
        if verify and not Path(verify).is_file():
            raise DestinationConfigError(
                f"The file {verify} of certificates does not exist here.", "Check the option verify.", "verify"
            )
        # a source in the same account is read by the login of the request; a signature is part of its address
        self._signature = account.signature
        self._session = tracked_session(self._connections, threads=threads)
        self._client = ContainerClient(
            account.url,
            options["azure_container"],
            credential=self._credential(account, options),
            transport=self._transport(verify or True),
            # tries, their delays and what passes are those of all types
            retry_total=0,
            # the signature of a login would go along to another host
            permit_redirects=False,
            # as much as is asked for at once
            max_single_get_size=1 << 30,
            logger=_quiet,
        )

    def _transport(self, verify: str | bool) -> RequestsTransport:
        return RequestsTransport(
            session=self._session,
            session_owner=False,
            connection_timeout=min(CONNECT_SECONDS, self._timeout),
            read_timeout=self._timeout,
            connection_verify=verify,
            # read at once; the default is 4 KiB
            connection_data_block_size=READ_BYTES,
        )

    def _credential(self, account: Account, options: Mapping[str, Any]) -> Any:
        if account.key:
            return AzureNamedKeyCredential(account.name, account.key)
        if account.signature:
            return AzureSasCredential(account.signature)
        client = options["managed_identity_client_id"] or None
        # the address of the identity is one of this machine, and has no certificate of the store's authority
        return ManagedIdentityCredential(client_id=client, transport=self._transport(True), retry_total=0)

    def drop(self) -> None:
        self._dropped = True
        self._connections.shut()
        self._session.close()

    def _ask(self, right: str, request: Callable[[], T]) -> T:
        """Return the answer to a request that needs `right`. Raises `AzureRefused`, and errors of the library."""
        if self._dropped:
            raise Aborted
        try:
            return request()
        except ClientAuthenticationError as error:
            # the login itself has no answer of the store
            if error.response is None or not hasattr(error, "error_code"):
                raise
            raise refused_by(error, right) from error
        except HttpResponseError as error:
            if error.response is None or not error.status_code or error.status_code < 300:
                raise
            raise refused_by(error, right) from error

    # --- the container --------------------------------------------------------------------------------------------
    def look(self) -> None:
        """Ask for a listing. AzureRefused where there is no container, or no right to list it."""
        self._page(self._client.list_blobs(results_per_page=1).by_page())

    def create(self) -> None:
        """Make the container, private; no error when it is there."""
        try:
            self._ask("c", self._client.create_container)
        except AzureRefused as refused:
            if refused.code != "ContainerAlreadyExists":
                raise

    def keeps_what_is_deleted(self) -> bool:
        """Whether a rule of the container may forbid to delete what was stored; no where that may not be asked."""
        try:
            found: Any = self._ask("r", self._client.get_container_properties)
        except AzureRefused as refused:
            if refused.is_denied:
                return False
            raise
        return bool(
            found.has_immutability_policy or found.has_legal_hold or found.immutable_storage_with_versioning_enabled
        )

    def pages(self, prefix: str, *, uncommitted: bool = False, kept: bool = False) -> Iterator[list[Blob]]:
        """Yield the blobs whose names begin so, in order, a page at a time; with `kept` also deleted and old ones."""
        include = ["metadata", *["uncommittedblobs"] * uncommitted, *["versions", "deleted"] * kept]
        pages = self._client.list_blobs(name_starts_with=prefix or None, include=include, results_per_page=PAGE)
        answers = pages.by_page()
        while (page := self._page(answers)) is not None:
            yield page

    def _page(self, answers: Any) -> list[Blob] | None:
        page = self._ask("l", lambda: next(answers, None))
        # the page of a proxy that asks for a login, say, would read as a container without files
        if page is not None and not (answers.service_endpoint or answers.container):
            raise self._no_store()
        return None if page is None else [blob_of(found) for found in page]

    def _no_store(self) -> DestinationUnavailable:
        return DestinationUnavailable(
            f"What answers at {self._client.primary_endpoint.partition('?')[0]} is no blob service.",
            "Check the account and endpoint_url, and whether something else answers on the way there.",
        )

    # --- blobs ----------------------------------------------------------------------------------------------------
    def find(self, name: str) -> Blob | None:
        """Return the file, or None where there is none."""
        try:
            return self.stat(name)
        except AzureRefused as refused:
            if refused.is_missing or refused.is_no_container:
                return None
            raise

    def stat(self, name: str) -> Blob:
        found = blob_of(self._ask("r", self._client.get_blob_client(name).get_blob_properties))
        if not found.etag:
            raise self._no_store()
        return found

    def read(self, name: str, begin: int, size: int, etag: str) -> bytes:
        """Return `size` bytes from `begin`. AzureRefused when the blob is not the one of `etag` any more."""
        blob = self._client.get_blob_client(name)
        condition: Any = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        return self._ask(
            "r",
            lambda: bytes(blob.download_blob(begin, size, decompress=False, max_concurrency=1, **condition).readall()),
        )

    def delete(self, name: str, *, etag: str = "", version: str = "") -> None:
        condition: Any = {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}
        blob = self._client.get_blob_client(name, version_id=version or None)
        self._ask("d", lambda: blob.delete_blob(**condition))

    def cool(self, name: str) -> None:
        self._ask("w", lambda: self._client.get_blob_client(name).set_standard_blob_tier(StandardBlobTier.COOL))

    def undelete(self, name: str) -> None:
        """Bring back what soft delete keeps under that name: the file, or all its versions."""
        self._ask("w", self._client.get_blob_client(name).undelete_blob)

    def promote(self, name: str, version: str) -> None:
        """Copy a version to its name, where no file has it, and wait for the end of the copy."""
        blob = self._client.get_blob_client(name)
        source = f"{blob.url}?versionid={quote(version)}{'&' if self._signature else ''}{self._signature}"
        copied = self._ask("w", lambda: blob.start_copy_from_url(source, match_condition=MatchConditions.IfMissing))
        status = str(copied["copy_status"])
        while status == "pending":
            time.sleep(COPY_POLL_SECONDS)
            status = str(self._ask("r", blob.get_blob_properties).copy.status)
        if status != "success":
            raise DestinationUnavailable(
                f"The version {version} of {name} was not copied: {status}.", "Try again, or copy it in the portal."
            )

    def lock(self, name: str, until: datetime, mode: str) -> None:
        policy = ImmutabilityPolicy(expiry_time=until, policy_mode=mode)
        self._ask("w", lambda: self._client.get_blob_client(name).set_immutability_policy(policy))

    # --- blocks ---------------------------------------------------------------------------------------------------
    def stage(self, name: str, block: str, body: Any, size: int, md5: bytes) -> None:
        blob = self._client.get_blob_client(name)
        # the store compares the checksum before it keeps the block
        self._ask("w", lambda: blob.stage_block(block, body, size, transactional_content_md5=bytearray(md5)))

    def blocks(self, name: str) -> dict[str, int]:
        """Return the sizes of the blocks that no file consists of yet."""
        try:
            _, waiting = self._ask("r", lambda: self._client.get_blob_client(name).get_block_list("uncommitted"))
        except AzureRefused as refused:
            if refused.is_missing or refused.is_no_container:
                return {}
            raise
        return {str(block.id): int(block.size or 0) for block in waiting}

    def commit(self, name: str, blocks: Sequence[str], about: Mapping[str, Any]) -> str:
        """Make a file of the blocks where none has its name, and return its etag."""
        wanted: Any = [BlobBlock(block, BlockState.UNCOMMITTED) for block in blocks]
        options: dict[str, Any] = dict(about)
        if (until := options.pop("locked_until", None)) is not None:
            options["immutability_policy"] = ImmutabilityPolicy(expiry_time=until, policy_mode=options.pop("lock_mode"))
        if "tier" in options:
            options["standard_blob_tier"] = StandardBlobTier(options.pop("tier"))
        blob = self._client.get_blob_client(name)
        # without an encoding: the library would unpack what it reads
        settings = ContentSettings(content_type="application/octet-stream")
        answer = self._ask(
            "w",
            lambda: blob.commit_block_list(
                wanted, content_settings=settings, match_condition=MatchConditions.IfMissing, validate_content=True,
                **options,
            ),
        )  # fmt: skip
        return str(answer["etag"])
