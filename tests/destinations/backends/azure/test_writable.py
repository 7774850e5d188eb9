"""The try to write before an export: a block that was never sent is refused, and nothing is kept."""

from collections.abc import Callable
from typing import Any

import pytest

from destinations.exceptions import DestinationUnavailable


def test_a_signature_without_the_right_to_write_is_refused(
    open_azure: Callable[..., Any], signed: Callable[..., dict[str, Any]]
) -> None:
    with pytest.raises(DestinationUnavailable, match="begin an upload") as caught:
        open_azure(**signed("rl")).require_writable("shop/manual", "t")
    assert caught.value.hint
    destination = open_azure(**signed("rlwc"))
    assert destination.require_writable("shop/manual", "t") == ""
    assert list(destination.list_partials()) == list(destination.list()) == []
