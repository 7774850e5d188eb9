"""Archives made byte by byte, so that a test can lie in any field."""

import gzip
import hashlib
import io
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from backups.archive.manifest.document import Entry, Manifest
from backups.archive.tar.write import Packed, Part, write_archive
from tests.support.paths import DATA

RECORD = 512
END = bytes(2 * RECORD)
SERVER_ARCHIVES = DATA / "archives"
SERVER_PLAIN = SERVER_ARCHIVES / "backup-tacacs-hq-20261123-014443-manual.tar.gz"
SERVER_ENCRYPTED = SERVER_ARCHIVES / "backup-tacacs-hq-20261123-014444-manual.tar.gz.enc"
SERVER_PASSPHRASE = "correct horse battery staple"
FILES: Mapping[str, bytes] = {"orders.db": b"SQLite rows " * 100, "shop.conf": b"[server]\nport = 49\n", "empty": b""}
# not ru_maxrss: a child starts with its parent's
PEAK_OF_PROCESS = """
import pathlib, re
print(int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) // 1024)
"""


def peak_mebibytes(program: str, argument: Path) -> int:
    """Run Python code in a process of its own and return the most memory it held."""
    measured = subprocess.run(
        [sys.executable, "-c", program + PEAK_OF_PROCESS, argument], capture_output=True, text=True, check=True
    )
    return int(measured.stdout)


def manifest_of(files: Mapping[str, bytes]) -> Manifest:
    return Manifest(
        instance_id="instance_1",
        instance_name="shop",
        hostname="host",
        backup_type="manual",
        timestamp_utc="2026-11-23T01:44:43.521536+00:00",
        triggered_by="alice",
        contents=tuple(
            Entry(name, len(data), hashlib.sha256(data).hexdigest(), "data", component="shop")
            for name, data in files.items()
        ),
        application="backupsite 0.1.0",
        kind="generic",
    )


def parts_of(files: Mapping[str, bytes], directory: Path) -> list[Part]:
    directory.mkdir(exist_ok=True)
    parts = []
    for name, data in files.items():
        path = directory / name
        path.write_bytes(data)
        parts.append(Part(path, name))
    return parts


def pack(files: Mapping[str, bytes], directory: Path, *, compression: str = "gzip", level: int = 6) -> bytes:
    return pack_counted(files, directory, compression=compression, level=level)[0]


def pack_counted(
    files: Mapping[str, bytes], directory: Path, *, compression: str = "gzip", level: int = 6
) -> tuple[bytes, Packed]:
    target = io.BytesIO()
    parts = parts_of(files, directory)
    packed = write_archive(target, manifest_of(files), parts, compression=compression, level=level)
    return target.getvalue(), packed


def header(
    name: str,
    size: int | bytes = 0,
    kind: bytes = b"0",
    *,
    linkname: str = "",
    prefix: str = "",
    magic: bytes = b"ustar\x0000",
    checksum: int | None = None,
) -> bytes:
    size_field = size if isinstance(size, bytes) else b"%011o\0" % size
    block = bytearray(
        name.encode("utf-8", "surrogateescape").ljust(100, b"\0")[:100]
        + b"0000600\0" + b"0000000\0" + b"0000000\0"
        + size_field.ljust(12, b"\0")
        + b"%011o\0" % 1_700_000_000
        + b" " * 8
        + kind
        + linkname.encode("utf-8", "surrogateescape").ljust(100, b"\0")
        + magic
        + bytes(80)
        + prefix.encode().ljust(155, b"\0")
        + bytes(12)
    )  # fmt: skip
    block[148:156] = b"%06o\0 " % (sum(block) if checksum is None else checksum)
    return bytes(block)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % RECORD)


def member(name: str, data: bytes, kind: bytes = b"0") -> bytes:
    return header(name, len(data), kind) + padded(data)


def manifest_member(files: Mapping[str, bytes]) -> bytes:
    return member("manifest.json", manifest_of(files).to_json())


def pax(**records: str) -> bytes:
    return member("././@PaxHeader", b"".join(pax_record(key, value) for key, value in records.items()), b"x")


def pax_record(key: str, value: str) -> bytes:
    body = f" {key}={value}\n".encode()
    length = len(body) + 1
    while len(str(length)) + len(body) != length:
        length += 1
    return str(length).encode() + body


def tar_of(files: Mapping[str, bytes]) -> bytes:
    return manifest_member(files) + b"".join(member(name, data) for name, data in files.items()) + END


def compressed(tar: bytes) -> bytes:
    return gzip.compress(tar, compresslevel=1, mtime=0)


def stream(tar: bytes) -> io.BytesIO:
    return io.BytesIO(compressed(tar))


def with_entry(manifest: Manifest, entry: Entry) -> Manifest:
    return replace(manifest, contents=(*manifest.contents, entry))
