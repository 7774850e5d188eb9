"""Run as a program to be killed: upload stdin to a local destination. Arguments: root, path, token, size.

A line on stdout tells of every block that was written, and one more that the archive is in place.
"""

import sys
from pathlib import Path

from django.conf import settings

if __name__ == "__main__":
    root, path, token, size = sys.argv[1:]
    settings.configure(BACKUP_ROOT=Path(root), USE_I18N=False)

    from destinations.backends import create_destination

    def tell(written: int) -> None:
        sys.stdout.write(f"{written}\n")
        sys.stdout.flush()

    with create_destination("local", {"path": "nas"}) as destination:
        destination.put(sys.stdin.buffer, path, size=int(size), token=token, sha256=None, progress=tell)
    sys.stdout.write("stored\n")
