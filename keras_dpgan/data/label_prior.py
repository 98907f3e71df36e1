"""How often each label occurs, paid for from the privacy budget."""

import os
import typing

import numpy as np
import numpy.typing as npt

from keras_dpgan._utils import validate
from keras_dpgan._utils.labels import check_labels
from keras_dpgan.mechanisms import secure_noise
from keras_dpgan.privacy import calibration
from keras_dpgan.privacy import origins
from keras_dpgan.privacy.history import PrivacyHistory
from keras_dpgan.privacy.history_entry import HistoryEntry
from keras_dpgan.privacy.history_entry import one_gaussian

if typing.TYPE_CHECKING:
    from keras_dpgan.privacy.ledger.ledger import Ledger


def private_label_prior(
    labels: npt.ArrayLike,
    num_classes: int,
    *,
    epsilon: float,
    delta: float,
    ledger: "Ledger | None" = None,
) -> tuple[np.ndarray, HistoryEntry]:
    """Estimates the labels' probabilities from a noisy histogram.

    Adding or removing a row changes one count by one, so the whole histogram is one
    Gaussian mechanism of sensitivity 1. The noise is a Gaussian rounded to whole
    numbers and drawn from the operating system's entropy, so that floating-point
    rounding reveals nothing. The steps after that (negative counts become zero, and
    the counts are divided by their sum) cost nothing.

    With a `ledger`, the histogram is entered there before it is drawn, and its cost
    is added to that of training on the same data. A model that is compiled with
    exactly these numbers, in the same process, counts it once, with a ledger or
    without. If you change the numbers, or load them in another process, give the
    entry to `DPGAN.count_release`.

    Examples:
        >>> y = [0] * 400 + [1] * 100
        >>> with dpgan.privacy.Ledger("my.ledger", data_name="my data") as ledger:
        ...     prior, entry = dpgan.data.private_label_prior(
        ...         y, num_classes=2, epsilon=1.0, delta=1e-5, ledger=ledger
        ...     )
        >>> prior.shape, round(float(prior.sum()), 6)
        ((2,), 1.0)

        `gan.compile(..., label_prior=prior)` then draws the generator's labels from it.

    Args:
        labels: Ints of shape `(n,)` in `[0, num_classes)`.
        num_classes: Int.
        epsilon: Positive float, how much to spend.
        delta: Float in (0, 1), the delta of that epsilon.
        ledger: A `keras_dpgan.privacy.Ledger` of the data. Defaults to `None`.

    Returns:
        `(prior, entry)`: a float64 array of shape `(num_classes,)` that adds up to
        one, for `DPGAN.compile(label_prior=...)`, and the `HistoryEntry` of it.

    Raises:
        ValueError: If an argument is wrong.
    """
    validate.check_int("num_classes", num_classes, minimum=1)
    epsilon = validate.check_positive("epsilon", epsilon)
    delta = validate.check_delta(delta)
    num_rows = len(np.atleast_1d(labels))
    labels = check_labels("labels", labels, num_rows, num_classes)
    counts = np.bincount(labels, minlength=num_classes)
    entry = _cheapest_entry(epsilon, delta)
    if ledger is not None:
        ledger.spend(entry, "label histogram")
    noise = secure_noise.rounded_gaussian(
        num_classes, entry.noise_multiplier, os.urandom
    )
    noised = np.maximum(counts + noise, 0)
    if not noised.any():
        noised = np.ones(num_classes)
    prior = noised / noised.sum()
    origin = origins.release(entry, ledger=ledger)
    origins.remember([origins.prior_digest(prior)], origin)
    return prior, entry


def _cheapest_entry(epsilon, delta):
    """The entry with the least noise that costs at most `epsilon`."""

    def history_of(noise_multiplier):
        return PrivacyHistory([one_gaussian(noise_multiplier)])

    return one_gaussian(calibration.least_noise(history_of, epsilon, delta))
