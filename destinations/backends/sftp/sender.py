"""Write requests, sent with three copies of their bytes where the library makes sixteen of each.

Slicing and joining the same bytes in every layer takes more processor time of an upload than their encryption. What
stands here does what these functions of the library do, for AES-GCM without compression.
"""

import asyncio
import os
import time
from collections import deque
from typing import Any, cast

import asyncssh
from asyncssh.constants import FXP_STATUS, FXP_WRITE, MSG_CHANNEL_DATA
from asyncssh.encryption import GCMEncryption
from asyncssh.packet import Byte, String, UInt32, UInt64
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

# what is given to the socket at once
BATCH_BYTES = 256 * 1024
# of the library, beneath what it documents: another version may have others
_CONNECTION = (
    "_compressor", "_deferred_packets", "_kex_complete", "_rekey_bytes", "_rekey_bytes_sent", "_rekey_seconds",
    "_rekey_time", "_send", "_send_blocksize", "_send_enchdrlen", "_send_encryption", "_send_seq",
)  # fmt: skip
_CHANNEL = (
    "_flush_send_buf", "_send_buf", "_send_buf_len", "_send_chan", "_send_pktsize", "_send_state", "_send_window",
)  # fmt: skip
_HANDLER = ("_process_status", "_send_request", "send_packet")


def sender_of(connection: asyncssh.SSHClientConnection, client: asyncssh.SFTPClient) -> "Sender | None":
    """Return the sender of the channel of `client`; None where the library is not the one that it was made for."""
    handler = getattr(client, "_handler", None)
    channel = getattr(getattr(handler, "_writer", None), "channel", None)
    needed = ((connection, _CONNECTION), (channel, _CHANNEL), (handler, _HANDLER))
    if not all(hasattr(part, name) for part, names in needed for name in names):
        return None
    return Sender(connection, channel, handler)


class Sender:
    """Sends what is written to the channel, in the thread of its loop."""

    def __init__(self, connection: Any, channel: Any, handler: Any) -> None:
        self._connection, self._channel, self._handler = connection, channel, handler
        # of the keys in use: another one after each exchange of keys
        self._encryption: Any = None
        self._aes = AESGCM(bytes(16))
        self._flush_by_library, self._request_by_library = channel._flush_send_buf, handler.send_packet
        channel._flush_send_buf, handler.send_packet = self._flush, self._request

    async def write(self, file: asyncssh.SFTPClientFile, block: bytes, offset: int, size: int) -> None:
        """Write the block by requests of `size` bytes that are under way together."""
        handler, view, waiting = self._handler, memoryview(block), deque[asyncio.Future[Any]]()
        for start in range(0, len(view), size):
            part = view[start : start + size]
            waiting.append(asyncio.get_running_loop().create_future())
            words = (String(file.handle), UInt64(offset + start), UInt32(len(part)), part)
            handler._send_request(FXP_WRITE, words, waiting[-1])
        while waiting:
            kind, answer = await waiting.popleft()
            if kind != FXP_STATUS:
                raise asyncssh.SFTPBadMessage(f"Unexpected response type: {kind}")
            handler._process_status(answer)

    def _request(self, kind: int, number: int | None, *parts: Any) -> None:
        channel = self._channel
        if kind != FXP_WRITE or channel._send_state != "open":
            self._request_by_library(kind, number, *parts)
            return
        head, block = Byte(kind) + b"".join(parts[:-1]), parts[-1]
        channel._send_buf += ((UInt32(len(head) + len(block)) + head, None), (block, None))
        channel._send_buf_len += 4 + len(head) + len(block)
        self._flush()

    def _flush(self) -> None:
        channel = self._channel
        while channel._send_buf and channel._send_window:
            if not self._is_ready():
                channel._send_buf = [(bytearray(data), kind) for data, kind in channel._send_buf]
                break
            self._send_batch()
        # with nothing to send, or no window, it does what follows that
        self._flush_by_library()

    def _is_ready(self) -> bool:
        connection = self._connection
        encryption = connection._send_encryption
        if (
            not connection._kex_complete
            or connection._deferred_packets
            or connection._compressor
            or not isinstance(encryption, GCMEncryption)
            or connection._rekey_bytes_sent >= connection._rekey_bytes
            or (connection._rekey_seconds and time.monotonic() >= connection._rekey_time)
        ):
            return False
        if encryption is not self._encryption:
            self._encryption, self._aes = encryption, AESGCM(cast(Any, encryption)._cipher._key)
        return True

    def _send_batch(self) -> None:
        connection, channel = self._connection, self._channel
        cipher = self._encryption._cipher
        buffer, length = channel._send_buf, 0
        out: list[bytes] = []
        start = Byte(MSG_CHANNEL_DATA) + UInt32(channel._send_chan)
        while buffer and channel._send_window and length < BATCH_BYTES:
            room = size = min(channel._send_window, channel._send_pktsize)
            pieces = []
            while buffer and room:
                data = buffer[0][0]
                if len(data) <= room:
                    del buffer[0]
                    pieces.append(data)
                    room -= len(data)
                else:
                    view = memoryview(data)
                    pieces.append(view[:room])
                    buffer[0] = view[room:], None
                    room = 0
            size -= room
            padding = -(connection._send_enchdrlen + 9 + size) % connection._send_blocksize
            if padding < 4:
                padding += connection._send_blocksize
            header = UInt32(10 + size + padding)
            plain = b"".join((Byte(padding), start, UInt32(size), *pieces, os.urandom(padding)))
            out += header, self._aes.encrypt(cipher._iv, plain, header)
            cipher._update_iv()
            connection._send_seq = (connection._send_seq + 1) & 0xFFFFFFFF
            connection._rekey_bytes_sent += len(plain)
            channel._send_window -= size
            channel._send_buf_len -= size
            length += size
        connection._send(b"".join(out))
