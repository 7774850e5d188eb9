"""A folder of this machine, reached through rclone."""

from pathlib import Path
from typing import Any

import pytest

from tests.destinations.contract.place import Place
from tests.support.programs import require


class RclonePlace(Place):
    type = "rclone"

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        require("rclone")
        base: Path = request.getfixturevalue("tmp_path")
        self.config = base / "rclone.conf"
        self.config.write_text("[here]\ntype = local\n")
        self.root = base / self.folder

    def options(self) -> dict[str, Any]:
        return {"remote": f"here:{self.root}", "config_file": str(self.config)}

    def plant(self, path: str, data: bytes) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(data)

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()
