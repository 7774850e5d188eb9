"""The listing of a remote, which may hold millions of files beside ours."""

from collections.abc import Callable

from destinations.backends.base import StoredFile
from destinations.backends.rclone.answers import stored_file
from destinations.backends.rclone.program import Rclone
from destinations.backends.remote import is_listed
from destinations.transfer.paths import MAX_DEPTH, part_token

# no archive is below a folder of another name, such as one of the system that may not be read
FOREIGN_FOLDERS = "- {{(.*/)?[^/]*[^A-Za-z0-9_/-][^/]*}}/**"
LISTING = ("lsjson", "-R", "--files-only", "--no-mimetype", f"--max-depth={MAX_DEPTH}", f"--filter={FOREIGN_FOLDERS}")
# lines of a listing between two looks at a cancel
LOOK_LINES = 100


def files_in(rclone: Rclone, folder: str, prefix: str, checkpoint: Callable[[], None]) -> list[StoredFile]:
    """Return the archives and partial uploads in `folder`, an argument of the program. Raises `RcloneFailed`."""
    found: list[StoredFile] = []
    with rclone.started(*LISTING, "--", folder) as ends:
        for number, line in enumerate(ends.output):
            if number % LOOK_LINES == 0:
                checkpoint()
            file = stored_file(line, prefix)
            if file and (is_listed(file.path) or part_token(file.path.rpartition("/")[2])):
                found.append(file)
    return found
