"""Computes how many updates a budget allows."""

import typing

from keras_dpgan._utils import validate
from keras_dpgan.privacy import root_finding
from keras_dpgan.privacy.accountant import ACCOUNTANTS
from keras_dpgan.privacy.accountant import epsilon
from keras_dpgan.privacy.rdp import EpsilonCurve

if typing.TYPE_CHECKING:
    from keras_dpgan.privacy.history import PrivacyHistory
    from keras_dpgan.privacy.history_entry import HistoryEntry


def max_updates(
    history: "PrivacyHistory",
    entry: "HistoryEntry",
    delta: float,
    target_epsilon: float,
    accountant: str = "pld",
) -> int | None:
    """The largest number of further updates within a privacy budget.

    Examples:
        >>> entry = dpgan.privacy.HistoryEntry(
        ...     mechanism="gaussian",
        ...     noise_multiplier=1.0,
        ...     sampling_probability=0.01,
        ...     count=500,
        ... )
        >>> dpgan.privacy.max_updates(
        ...     dpgan.privacy.PrivacyHistory(),
        ...     entry,
        ...     delta=1e-5,
        ...     target_epsilon=2.0,
        ...     accountant="rdp",
        ... )
        381

    Args:
        history: `PrivacyHistory` of what was spent so far, without the count of
            `entry`.
        entry: `HistoryEntry` of the updates to make. Its count is the number of them
            that were made already. This matters if `max_participations` is declared,
            because these updates have used part of it.
        delta: Float in (0, 1).
        target_epsilon: Positive float, the budget.
        accountant: `"pld"` or `"rdp"`; see `epsilon`. Defaults to `"pld"`, which
            takes a few seconds.

    Returns:
        Int, the largest number for which `epsilon` of the history with these updates is
        at most `target_epsilon`; 0 if not one fits, and `None` if any number fits.

    Raises:
        ValueError: If an argument is wrong.
    """
    delta = validate.check_delta(delta)
    target_epsilon = validate.check_positive("target_epsilon", target_epsilon)
    validate.check_choice("accountant", accountant, ACCOUNTANTS)

    # An allocation that was begun is paid for to its end.
    step = entry.allocation_batches or 1
    paid = -(-entry.count // step) * step

    def spent(further):
        total = history.copy()
        total.add(entry.with_count(paid + step * further))
        return epsilon(total, delta, accountant)

    most = None if entry.is_amplified else entry.max_participations
    if most is not None and spent(max(0, most - entry.count)) <= target_epsilon:
        return None
    curve = EpsilonCurve(history, entry, delta)

    def by_rdp(target):
        allowed = curve.max_updates(target)
        return max(0, (allowed or 0) - paid) // step

    found = root_finding.largest_within(spent, target_epsilon, by_rdp)
    return 0 if found is None else paid - entry.count + step * found
