"""wsgidav with accounts, rights and quota: HOST PORT HOMES PASSWORD basic|digest [CERTIFICATE KEY]."""

import contextlib
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server
from wsgidav.dav_error import HTTP_FORBIDDEN, HTTP_INSUFFICIENT_STORAGE, DAVError
from wsgidav.fs_dav_provider import FileResource, FilesystemProvider, FolderResource
from wsgidav.wsgidav_app import WsgiDAVApp

from tests.support.servers.running.accounts import ACCOUNTS, APPEND_ONLY, READ_ONLY, UNLISTED


def main(host: str, port: str, homes: str, password: str, login: str, *certificate: str) -> None:
    shares = {f"/{name}": Folder(name, Path(homes, name)) for name in ACCOUNTS}
    users = {share: {name: {"password": password}} for share, name in zip(shares, ACCOUNTS, strict=True)}
    application = WsgiDAVApp(
        {
            "provider_mapping": shares,
            "http_authenticator": {
                "accept_basic": login == "basic",
                "accept_digest": login == "digest",
                "default_to_digest": login == "digest",
            },
            "simple_dc": {"user_mapping": users | {"*": True}},
            "property_manager": True,
            "lock_storage": True,
            "verbose": 1,
            "logging": {"enable": False},
        }
    )
    server = Server((host, int(port)), application, numthreads=20)
    if certificate:
        server.ssl_adapter = BuiltinSSLAdapter(*certificate)
    server.start()


class Folder(FilesystemProvider):
    """The folder of one account."""

    def __init__(self, account: str, folder: Path) -> None:
        super().__init__(str(folder), readonly=account == READ_ONLY)
        self.account = account

    def get_resource_inst(self, path: str, environ: dict[str, Any]) -> Any:
        found = super().get_resource_inst(path, environ)
        if found is not None:
            found.__class__ = LimitedFolder if found.is_collection else LimitedFile
        return found


def refused_to(account: str, method: Callable[..., Any]) -> Callable[..., Any]:
    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.provider.account == account:
            raise DAVError(HTTP_FORBIDDEN)
        return method(self, *args, **kwargs)

    return checked


class LimitedFile(FileResource):
    delete = refused_to(APPEND_ONLY, FileResource.delete)

    def begin_write(self, *, content_type: str | None = None) -> "Written":
        return Written(super().begin_write(content_type=content_type))


class LimitedFolder(FolderResource):
    delete = refused_to(APPEND_ONLY, FolderResource.delete)
    get_member_names = refused_to(UNLISTED, FolderResource.get_member_names)

    def create_empty_resource(self, name: str) -> Any:
        created = super().create_empty_resource(name)
        created.__class__ = LimitedFile
        return created

    def get_used_bytes(self) -> int:
        disk = os.statvfs(self._file_path)
        return (disk.f_blocks - disk.f_bfree) * disk.f_frsize

    def get_available_bytes(self) -> int:
        disk = os.statvfs(self._file_path)
        return disk.f_bavail * disk.f_frsize


class Written:
    """A file that is written; a full disk is answered as RFC 4918 says."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: bytes) -> None:
        self._within_quota(lambda: self._file.write(data))

    def close(self) -> None:
        self._within_quota(self._file.close)

    def _within_quota(self, step: Callable[[], object]) -> None:
        try:
            step()
        except OSError as error:
            # wsgidav does not close it then, and an open file that is deleted keeps its room
            with contextlib.suppress(OSError):
                self._file.close()
            if error.errno != errno.ENOSPC:
                raise
            raise DAVError(HTTP_INSUFFICIENT_STORAGE) from None


if __name__ == "__main__":
    main(*sys.argv[1:])
