"""Who runs something: the process and its host, as rows name them."""

import os
import socket


def this_worker() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def on_this_host(worker: str) -> bool:
    return worker.startswith(f"{socket.gethostname()}:")
