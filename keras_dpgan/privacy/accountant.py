"""Epsilon of a privacy history."""

import math
import typing

from keras_dpgan._utils import validate
from keras_dpgan.privacy import group
from keras_dpgan.privacy import pld
from keras_dpgan.privacy import rdp
from keras_dpgan.privacy.history import compose

if typing.TYPE_CHECKING:
    import dp_accounting

    from keras_dpgan.privacy.history import PrivacyHistory
    from keras_dpgan.privacy.history_entry import HistoryEntry

ACCOUNTANTS = ("pld", "rdp")


def epsilon(history: "PrivacyHistory", delta: float, accountant: str = "pld") -> float:
    """The privacy loss of a whole history.

    All entries are added up under `history.relation`. Entries under Poisson
    sampling or random allocation hold for adding or removing one row; the others for
    replacing one row by a null row, whose gradient counts as zero. A history with both
    is added up under the second relation, where both hold: what a Poisson batch
    with a null row releases has the distribution of the batch without that row
    (each row has a draw of its own, the null row moves neither the sum nor
    the noisy count, and the sum is divided by a public number), so that the two
    relations put the same pair of distributions against each other. The
    opposite does not hold: without a row, sampling that is not Poisson moves
    others to other batches.

    Source: dp_accounting; Doroshenko et al. 2022, "Connect the Dots", for `"pld"`;
    Mironov 2017, "Renyi Differential Privacy", for `"rdp"`.

    Examples:
        >>> entry = dpgan.privacy.HistoryEntry(
        ...     mechanism="gaussian",
        ...     noise_multiplier=1.0,
        ...     sampling_probability=0.01,
        ...     count=500,
        ... )
        >>> history = dpgan.privacy.PrivacyHistory([entry])
        >>> round(dpgan.privacy.epsilon(history, delta=1e-5), 2)
        1.33

    Args:
        history: A `PrivacyHistory`.
        delta: Float in (0, 1).
        accountant: `"pld"` (privacy loss distributions: tight, about a second)
            or `"rdp"` (Renyi differential privacy: a little larger, at once).
            The first is never above the second. Of discrete Gaussian noise only
            the second is known, and is what is given. Defaults to `"pld"`.

    Returns:
        Float, an upper bound. 0 for an empty history, infinite if an update had
        no noise.

    Raises:
        ValueError: If `delta` or `accountant` is wrong.
    """
    return group_epsilon(history, delta, 1, accountant)


def group_epsilon(
    history: "PrivacyHistory", delta: float, group_size: int, accountant: str = "pld"
) -> float:
    """The privacy loss of a history for a group of rows, as of one person.

    The relation is that of `epsilon`, for `group_size` rows at once.

    Examples:
        >>> entry = dpgan.privacy.HistoryEntry(
        ...     mechanism="gaussian",
        ...     noise_multiplier=1.0,
        ...     sampling_probability=0.01,
        ...     count=500,
        ... )
        >>> history = dpgan.privacy.PrivacyHistory([entry])
        >>> round(dpgan.privacy.group_epsilon(history, delta=1e-5, group_size=2), 2)
        2.85

    Args:
        history: A `PrivacyHistory`.
        delta: Float in (0, 1).
        group_size: Positive int: the most rows that one person has.
        accountant: `"pld"` (the mixture of Gaussians of Ganesh 2024) or `"rdp"`
            (Vadhan's conversion, far larger). Defaults to `"pld"`.

    Returns:
        Float, an upper bound. The conversion may be infinite for large groups.

    Raises:
        ValueError: If an argument is wrong.
    """
    delta = validate.check_delta(delta)
    group_size = validate.check_int("group_size", group_size, minimum=1)
    validate.check_choice("accountant", accountant, ACCOUNTANTS)
    if group_size > 1 and history.unit == "client":
        raise ValueError(
            "`group_size` must be 1 where a client is the unit: all that it has is "
            f"protected together. Received: group_size={group_size}"
        )
    total = compose(history, group_size)
    if total.is_noiseless:
        return math.inf
    # A group's updates under random allocation count there as if they were known.
    allocated = group_size > 1 and bool(compose(history).allocated)
    if accountant == "pld" and total.is_gaussian and not allocated:
        return pld.gaussian_epsilon(total.squared_shift, delta)
    if (total.is_gaussian and not allocated) or group_size == 1:
        bound = rdp.to_epsilon(rdp.composition_rdp(total), delta)
    else:
        bound = group.converted_epsilon(compose(history), delta, group_size)
    if accountant == "rdp" or total.bounded:
        return bound
    if total.is_local and total.is_amplified:
        return bound
    if total.is_local:
        return min(bound, pld.local_epsilon(total, delta))
    if total.is_gaussian:
        return min(bound, pld.gaussian_epsilon(total.squared_shift, delta))
    return min(bound, pld.pld_epsilon(total, delta, group_size))


def to_event(entry: "HistoryEntry") -> "dp_accounting.DpEvent":
    """The `dp_accounting` event of an entry.

    Examples:
        >>> entry = dpgan.privacy.HistoryEntry(
        ...     mechanism="gaussian",
        ...     noise_multiplier=1.0,
        ...     sampling_probability=0.01,
        ...     count=500,
        ... )
        >>> dpgan.privacy.to_event(entry).count
        500

    Args:
        entry: A `HistoryEntry`.

    Returns:
        A `DpEvent`. For adaptive clipping it is that of one Gaussian mechanism
        with the `effective_noise_multiplier`. Where sampling is not (secretly)
        Poisson it holds for `entry.participations` updates, which dp_accounting
        composes under its default relation to the same figure as under
        `REPLACE_SPECIAL`.

    Raises:
        ValueError: For discrete Gaussian noise and for random allocation, which
            `dp_accounting` does not know.
    """
    import dp_accounting

    if entry.excess_divergence is not None:
        raise ValueError(
            "`entry` must not be of discrete Gaussian noise, for which dp_accounting "
            "has no event: use `keras_dpgan.privacy.epsilon`. Received: "
            f"mechanism={entry.mechanism!r}"
        )
    if entry.allocation_batches is not None:
        raise ValueError(
            "`entry` must not be under random allocation, for which dp_accounting has "
            "no event: use `keras_dpgan.privacy.epsilon`. Received: "
            f"allocation_batches={entry.allocation_batches}"
        )
    event = dp_accounting.GaussianDpEvent(entry.effective_noise_multiplier)
    if entry.mechanism == "laplace":
        event = dp_accounting.LaplaceDpEvent(entry.noise_multiplier)
    if entry.is_amplified:
        event = dp_accounting.PoissonSampledDpEvent(entry.sampling_probability, event)
        count = entry.count
    else:
        count = entry.participations
    if count == 0:
        return dp_accounting.NoOpDpEvent()
    return dp_accounting.SelfComposedDpEvent(event, count)
