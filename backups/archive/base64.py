"""Strict base64: only the one canonical encoding (RFC 4648, section 3.5) is accepted."""

import binascii


def encode_base64(data: bytes, *, padding: bool) -> str:
    """Return `data` in the standard alphabet, with or without `=` at its end."""
    text = binascii.b2a_base64(data, newline=False).decode("ascii")
    return text if padding else text.rstrip("=")


def decode_base64(text: str, *, padding: bool) -> bytes:
    """Return what `encode_base64` made `text` of; raises ValueError when it made something else."""
    data = binascii.a2b_base64(text if padding else text + "=" * (-len(text) % 4))
    if encode_base64(data, padding=padding) != text:
        raise ValueError("not canonical base64")
    return data
