"""What a key from a passphrase costs outside the tests, which make it cheap."""

import subprocess
import sys

from tests.support.paths import PROJECT

PROGRAM = """
from backups.archive.age import passphrase
file_key = bytes(range(16))
stanza = passphrase.wrap("correct horse", file_key)
passphrase._derive.cache_clear()
assert passphrase.PassphraseIdentity("correct horse").unwrap(stanza) == file_key
print(stanza.arguments[-1])
"""


def test_a_file_that_is_encrypted_with_a_passphrase_costs_a_quarter_of_a_gigabyte_and_opens_again() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "18\n"
