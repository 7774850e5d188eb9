"""The lines of minisign's files: an untrusted comment, then base64."""

from backups.archive.base64 import decode_base64

UNTRUSTED = "untrusted comment: "
ALGORITHM = b"Ed"
KEY_ID_BYTES = 8


def split_lines(text: str) -> list[str]:
    """Split `text` into lines that end with LF or CRLF."""
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def decode_exactly(line: str, size: int) -> bytes:
    """Decode canonical base64 of `size` bytes; raises ValueError whose message does not quote `line`."""
    data = decode_base64(line, padding=True)
    if len(data) != size:
        raise ValueError(f"not {size} bytes of base64")
    return data


def display_key_id(key_id: bytes) -> str:
    """Return a key id as the minisign program prints it: a little-endian number, hexadecimal, unpadded."""
    return f"{int.from_bytes(key_id, 'little'):X}"
