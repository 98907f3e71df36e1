"""What several releases cost together, as one entry of a history."""

import dataclasses

from keras_dpgan.privacy.history_entry import HistoryEntry


def all_together(entries):
    """One entry that stands for releases that each have an entry of their own.

    Gaussian mechanisms add up by the inverse squares of their noise multipliers, and
    so do Renyi divergences of discrete ones, beside what these lack of a Gaussian.
    Laplace mechanisms add up by the inverses of their scales: divided by these, all
    numbers are one vector with noise of scale one, which moves by no more than the
    inverses' sum.

    Args:
        entries: List of `HistoryEntry` of one mechanism, for everyone's data in each.

    Returns:
        A `HistoryEntry` with a count of one.
    """
    first = entries[0]
    power = 1.0 if first.mechanism == "laplace" else 2.0
    precision = sum(entry.noise_multiplier**-power for entry in entries)
    excess = None
    if first.excess_divergence is not None:
        excess = sum(entry.excess_divergence for entry in entries)
    together = dataclasses.replace(
        first,
        noise_multiplier=precision ** (-1 / power),
        excess_divergence=excess,
        count=1,
    )
    if any(_kind(entry) != _kind(first) for entry in entries):
        raise ValueError(
            "Releases that are one entry must have one mechanism, unit and sampling. "
            f"Received: {entries!r:.200}"
        )
    return together


def _kind(entry):
    return HistoryEntry(
        **{
            **dataclasses.asdict(entry),
            "noise_multiplier": 1.0,
            "excess_divergence": None if entry.excess_divergence is None else 0.0,
            "count": 0,
        }
    )
