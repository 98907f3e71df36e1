"""Our epsilons beside those of Opacus' PRV accountant, an independent one.

The table is recorded by `benchmarks/peers/opacus_epsilons.py`, so that no test
needs torch.
"""

import dataclasses
import functools
import json
import pathlib

import histories

TABLE = json.loads(
    pathlib.Path(__file__).with_name("opacus_epsilons.json").read_text("utf-8")
)


def misses(rows, epsilon_of):
    """The rows in which an epsilon is outside Opacus' own bounds."""
    missed = []
    for row in rows:
        entry = histories.poisson(
            row["noise_multiplier"], row["sampling_probability"], row["updates"]
        )
        if not row["lower"] <= epsilon_of(entry, delta=row["delta"]) <= row["upper"]:
            missed.append(row)
    return missed


def test_the_table_is_wide():
    rows = TABLE["rows"]
    assert len(rows) >= 50
    for name in ("noise_multiplier", "sampling_probability", "updates", "delta"):
        assert len({row[name] for row in rows}) >= 2
    assert min(row["estimate"] for row in rows) < 0.1
    assert max(row["estimate"] for row in rows) > 20
    assert all(row["lower"] < row["estimate"] < row["upper"] for row in rows)


def test_epsilon_lies_within_the_bounds_of_opacus():
    assert misses(TABLE["rows"], histories.epsilon_of) == []


def test_the_comparison_is_sharp():
    some = TABLE["rows"][::6]
    renyi = functools.partial(histories.epsilon_of, accountant="rdp")
    assert len(misses(some, renyi)) > len(some) / 2

    def with_less_noise_than_claimed(entry, delta):
        claimed = dataclasses.replace(
            entry, noise_multiplier=1.05 * entry.noise_multiplier
        )
        return histories.epsilon_of(claimed, delta=delta)

    assert len(misses(some, with_less_noise_than_claimed)) > len(some) / 2
