"""Bech32 (BIP 173) without its length limit."""

import re

_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM_LENGTH = 6
_PREFIX = re.compile(r"[!-~]+")


def _polymod(values: list[int]) -> int:
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATORS):
            checksum ^= generator if top >> bit & 1 else 0
    return checksum


def _expand(prefix: str) -> list[int]:
    return [ord(character) >> 5 for character in prefix] + [0] + [ord(character) & 31 for character in prefix]


def _regroup(values: bytes | list[int], width: int, new_width: int) -> tuple[list[int], int, int]:
    """Regroup `values` of `width` bits into `new_width` bits; return them, the remaining bits and their number."""
    groups: list[int] = []
    pending = bits = 0
    for value in values:
        pending = pending << width | value
        bits += width
        while bits >= new_width:
            bits -= new_width
            groups.append(pending >> bits)
            pending &= (1 << bits) - 1
    return groups, pending, bits


def encode_bech32(prefix: str, data: bytes) -> str:
    """Encode `data` in Bech32 with the lower-case `prefix`."""
    values, pending, bits = _regroup(data, 8, 5)
    if bits:
        values.append(pending << (5 - bits))
    checksum = _polymod(_expand(prefix) + values + [0] * _CHECKSUM_LENGTH) ^ 1
    values += [checksum >> 5 * (5 - place) & 31 for place in range(_CHECKSUM_LENGTH)]
    return prefix + "1" + "".join(_CHARSET[value] for value in values)


def decode_bech32(text: str) -> tuple[str, bytes]:
    """Decode `text` into its prefix (lower case) and data; raises ValueError whose message does not quote `text`."""
    # Outside ASCII two characters may have the same lower case: the Kelvin sign would be accepted as a K.
    if not isinstance(text, str) or not text.isascii():
        raise ValueError("not Bech32")
    if text not in (text.lower(), text.upper()):
        raise ValueError("mixed case")
    prefix, separator, encoded = text.lower().rpartition("1")
    if not (separator and _PREFIX.fullmatch(prefix) and len(encoded) >= _CHECKSUM_LENGTH):
        raise ValueError("not Bech32")
    values = [_CHARSET.find(character) for character in encoded]
    if -1 in values or _polymod(_expand(prefix) + values) != 1:
        raise ValueError("wrong character or checksum")
    data, pending, bits = _regroup(values[:-_CHECKSUM_LENGTH], 5, 8)
    if bits >= 5 or pending:
        raise ValueError("wrong padding")
    return prefix, bytes(data)
