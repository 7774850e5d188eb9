"""Sizes as people read them."""

import pytest

from destinations.sizes import human_size


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "-"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9_949, "9.9 kB"),
        (9_950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_500_000_000, "1.5 GB"),
        (2**63 - 1, "9.2 EB"),
    ],
)
def test_sizes_are_read_in_decimal_units(count: int | None, text: str) -> None:
    assert human_size(count) == text
