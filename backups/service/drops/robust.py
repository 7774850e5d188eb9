"""Robust limits of a series of counts: how far from its median a value may be. Plain Python."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, median_low

# makes the median absolute deviation of a normal distribution equal to its standard deviation
MAD_SCALE = 1.4826
# deviations from the median beyond which a value is an outlier
CUTOFF = 3.5


@dataclass(frozen=True, slots=True)
class Limits:
    """The median of a series, and the values at which one is off it: `low` or less, `high` or more."""

    median: int
    low: int
    high: int


def limits_of(values: Sequence[int], *, percent: int, factor: int) -> Limits:
    """Return the limits of a series of counts, which must not be empty.

    A value is off when it has lost at least `percent` of the median, or is at least `factor` times as large, and is
    also an outlier: further from the median than 3.5 scaled median absolute deviations, and beyond every value of the
    series. Counts vary by factors, so that the deviations are those of their logarithms.

    Scale and median: C. Leys et al., "Detecting outliers: Do not use standard deviation around the mean, use absolute
    deviation around the median", Journal of Experimental Social Psychology 49 (2013), 764-766. Cutoff: B. Iglewicz and
    D. C. Hoaglin, "How to Detect and Handle Outliers", ASQC 1993, whose modified z-score is 0.6745 (x - median) / MAD.
    """
    middle = median_low(values)
    logarithms = [math.log10(max(value, 1)) for value in values]
    centre = math.log10(max(middle, 1))
    spread = MAD_SCALE * median(abs(value - centre) for value in logarithms)
    margin = 10 ** (CUTOFF * spread)
    low = min(middle * (100 - percent) // 100, math.floor(middle / margin), min(values) - 1)
    high = max(factor * middle, math.ceil(middle * margin), max(values) + 1)
    return Limits(middle, low, high)
