"""A folder of a FileSystemStorage."""

from pathlib import Path
from typing import Any

import pytest

from tests.destinations.contract.place import Place


class StoragePlace(Place):
    type = "storage"

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        settings = request.getfixturevalue("settings")
        self.root: Path = request.getfixturevalue("tmp_path") / "storage"
        backend = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(self.root)}}
        settings.STORAGES = {**settings.STORAGES, "archives": backend}
        settings.BACKUP_STORAGE_ALIASES = ["archives"]

    def options(self) -> dict[str, Any]:
        return {"alias": "archives", "location": self.folder}

    def plant(self, path: str, data: bytes) -> None:
        target = self.root / self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def files(self) -> list[str]:
        base = self.root / self.folder
        return sorted(str(path.relative_to(base)) for path in base.rglob("*") if path.is_file())

    def read(self, path: str) -> bytes:
        return (self.root / self.folder / path).read_bytes()
