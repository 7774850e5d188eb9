from pathlib import Path

import pytest

from destinations.exceptions import DestinationConfigError
from destinations.network.endpoint import trusting


def test_a_file_that_holds_no_authority_is_named_without_its_text(tmp_path: Path) -> None:
    wrong = tmp_path / "ca.pem"
    wrong.write_text("secret-canary")
    with pytest.raises(DestinationConfigError) as caught:
        trusting(str(wrong))
    assert str(wrong) in caught.value.message and "secret-canary" not in caught.value.text


def test_a_file_of_authorities_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DestinationConfigError, match="cannot be used"):
        trusting(str(tmp_path))
    with pytest.raises(DestinationConfigError, match="No such file"):
        trusting(str(tmp_path / "none.pem"))
