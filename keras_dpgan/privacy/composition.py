"""A history, reduced to what the accountants need."""

import collections
import dataclasses

from keras_dpgan.privacy.history_entry import HistoryEntry


@dataclasses.dataclass(frozen=True)
class SampledGaussian:
    """Updates by a Gaussian mechanism on a secret Poisson sample.

    Attributes:
        sampling_probability: Float in (0, 1).
        noise_multiplier: Positive float.
        count: Positive int, the number of updates.
    """

    sampling_probability: float
    noise_multiplier: float
    count: int


@dataclasses.dataclass(frozen=True)
class BoundedUpdates:
    """Updates for which only upper bounds on the Renyi divergence are known.

    Attributes:
        sampling_probability: Float in (0, 1]; 1 without amplification.
        noise_multiplier: Positive float.
        excess_divergence: Non-negative float; see `HistoryEntry`.
        count: Non-negative int, the number of updates that a row can be in.
    """

    sampling_probability: float
    noise_multiplier: float
    excess_divergence: float
    count: int


@dataclasses.dataclass(frozen=True)
class Composition:
    """Mechanisms whose costs add up to that of a history.

    Attributes:
        sampled: Tuple of `SampledGaussian`, no two of one kind.
        squared_shift: Float: the one Gaussian mechanism that all updates without
            amplification make together moves its mean by the root of this, in
            standard deviations. Gaussian mechanisms compose exactly (Dong, Roth
            and Su 2022, "Gaussian Differential Privacy", corollary 3.3).
        is_noiseless: Whether any update had no noise.
        bounded: Tuple of `BoundedUpdates`.
        laplace: Tuple of pairs of a positive float, the scale of Laplace noise on
            what moves by at most 1 in L1, and an int, how often it was added.
        pure: Tuple of pairs of a positive float, epsilon at a delta of zero, and an
            int, how often it was spent.
    """

    sampled: tuple
    squared_shift: float
    is_noiseless: bool
    bounded: tuple = ()
    laplace: tuple = ()
    pure: tuple = ()

    @property
    def is_gaussian(self):
        """Whether it is one Gaussian mechanism, which has a closed form."""
        return not (self.sampled or self.bounded or self.is_local)

    @property
    def is_local(self):
        """Whether there are mechanisms whose largest loss is finite."""
        return bool(self.laplace or self.pure)

    @property
    def num_sampled_updates(self):
        """The number of updates with amplification, an int."""
        return sum(step.count for step in self.sampled)


def compose(history, group_size=1):
    """Adds up the entries of a history.

    Args:
        history: A `PrivacyHistory`.
        group_size: Int, the rows that change together. It multiplies the shift
            of updates without amplification. (Between them, k rows that each
            take part in p updates do most in p updates of k rows.)

    Returns:
        A `Composition`; what is in it of sampled and bounded updates is for one
        row, whatever the group.
    """
    counts: collections.Counter = collections.Counter()
    squared_shift = 0.0
    bounded, laplace, pure = [], [], []
    for entry in history.entries:
        noise_multiplier = entry.effective_noise_multiplier
        if noise_multiplier == 0:
            return Composition((), 0.0, is_noiseless=True)
        if entry.excess_divergence is not None:
            bounded.append(_bounded(entry))
        elif entry.mechanism == "laplace":
            laplace.append((noise_multiplier / group_size, entry.count))
        elif entry.mechanism == "pure":
            pure.append((1 / noise_multiplier, entry.count))
        elif is_sampled(entry):
            counts[entry.sampling_probability, noise_multiplier] += entry.count
        else:
            squared_shift += entry.participations * (group_size / noise_multiplier) ** 2
    sampled = tuple(
        SampledGaussian(q, noise_multiplier, count)
        for (q, noise_multiplier), count in counts.items()
    )
    return Composition(
        sampled, squared_shift, False, tuple(bounded), tuple(laplace), tuple(pure)
    )


def _bounded(entry):
    q = entry.sampling_probability if entry.is_amplified else 1.0
    count = entry.count if entry.is_amplified else entry.participations
    return BoundedUpdates(q, entry.noise_multiplier, entry.excess_divergence, count)


def is_sampled(entry: HistoryEntry):
    """Whether sampling makes an entry cheaper. With q = 1 it draws every row."""
    q = entry.sampling_probability
    return entry.is_amplified and q is not None and q < 1
