"""Strict base64: only the one canonical encoding (RFC 4648, section 3.5) is accepted."""

import binascii


def encode_base64(data: bytes, *, padding: bool) -> str:
    """Encode `data` in the standard alphabet, with or without `=` padding."""
    text = binascii.b2a_base64(data, newline=False).decode("ascii")
    return text if padding else text.rstrip("=")


def decode_base64(text: str, *, padding: bool) -> bytes:
    """Decode what `encode_base64` writes; raises ValueError for any other encoding of the same bytes."""
    data = binascii.a2b_base64(text if padding else text + "=" * (-len(text) % 4))
    # a2b_base64 skips foreign characters and accepts stray bits in the last one
    if encode_base64(data, padding=padding) != text:
        raise ValueError("not canonical base64")
    return data
