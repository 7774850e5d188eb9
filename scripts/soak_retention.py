#!/usr/bin/env python
"""Simulate two years of backups under every retention rule, pruned after each, and compare with a second statement.

Each round takes other moments. Ends with 1 when anything was wrong.
"""

import argparse
import random
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.retention_simulation import (
    PATTERNS,
    RULES,
    assert_no_step_more_than_triples_an_age,
    assert_pruned_as_the_calendar_says,
    numbers_of,
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of all rules (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats the moments of a soak")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    wrong = 0
    for seed in range(options.seed, options.seed + options.rounds):
        for pattern in PATTERNS:
            checks = {numbers_of(rule): partial(assert_pruned_as_the_calendar_says, rule) for rule in RULES}
            for name, check in (checks | {"hanoi": assert_no_step_more_than_triples_an_age}).items():
                try:
                    check(pattern, seed=seed)
                except AssertionError as error:
                    wrong += 1
                    print(f"{name}, {pattern.__name__}, seed {seed}: {error}", flush=True)
        print(f"... seed {seed} is done", file=sys.stderr, flush=True)
    print(f"{wrong} findings" if wrong else "nothing was wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
