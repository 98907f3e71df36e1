"""A search for hyper-parameters whose privacy cost is known beforehand."""

import collections.abc
import dataclasses
import math
import typing

import numpy as np

from keras_dpgan._utils import validate
from keras_dpgan.privacy import rdp
from keras_dpgan.privacy.history import compose

if typing.TYPE_CHECKING:
    from keras_dpgan.privacy.history import PrivacyHistory

# By how much a trial's divergence may exceed the declared one, because of rounding.
_TOLERANCE = 1e-9


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """The best trial of a `search`. Nothing else of the search may be published.

    Examples:
        >>> entry = dpgan.privacy.HistoryEntry(
        ...     mechanism="gaussian",
        ...     noise_multiplier=1.0,
        ...     sampling_probability=0.01,
        ...     count=500,
        ... )
        >>> history = dpgan.privacy.PrivacyHistory([entry])
        >>> found = dpgan.privacy.search(
        ...     lambda rng: (rng.random(), "model"), history, mean_trials=2, delta=1e-5
        ... )
        >>> found.best
        'model'

    Attributes:
        best: What that trial gave.
        score: Its score, a float.
        epsilon: Float, the privacy loss of the whole search, losers included.
        delta: Float.
    """

    best: object
    score: float
    epsilon: float
    delta: float


def search(
    trial: collections.abc.Callable[[np.random.Generator], tuple[float, typing.Any]],
    history: "PrivacyHistory",
    *,
    mean_trials: float,
    delta: float,
) -> SearchResult:
    """Runs a secret, random number of trials and returns only the best one.

    This costs little more than two or three trials, whatever their number, because
    someone who sees the best trial does not learn how many others there were. Keep
    everything else secret: the results of the other trials, their number and the time
    that they take. Nothing of the search goes into a ledger. For further runs on the
    same data, add up epsilons and deltas. Source: Papernot and Steinke 2022,
    "Hyperparameter Tuning with Renyi Differential Privacy", theorem 2 for a geometric
    number of trials.

    Examples:
        >>> entry = dpgan.privacy.HistoryEntry(
        ...     mechanism="gaussian",
        ...     noise_multiplier=1.0,
        ...     sampling_probability=0.01,
        ...     count=500,
        ... )
        >>> history = dpgan.privacy.PrivacyHistory([entry])
        >>> def trial(rng):
        ...     learning_rate = rng.choice([1e-4, 1e-3])
        ...     # Train a model and score it on public data here.
        ...     return -learning_rate, f"model trained at {learning_rate}"
        >>> found = dpgan.privacy.search(trial, history, mean_trials=2, delta=1e-5)
        >>> round(found.epsilon, 2)
        2.37

    Args:
        trial: Callable of a `numpy.random.Generator`, from which it draws its
            hyper-parameters, with probabilities that do not depend on the data. It
            returns `(score, result)`, and the highest score wins. The score must be
            computed from the private result, or its cost must be part of `history`.
        history: `PrivacyHistory`, the largest cost of one trial. If a result has a
            `privacy_history` of its own (a `DPGAN`), it is compared with this.
        mean_trials: Float, at least one.
        delta: Float in (0, 1).

    Returns:
        A `SearchResult`.

    Raises:
        ValueError: If an argument is wrong, if a trial has cost more than `history`
            says, or if a score is not a number.
    """
    spent = search_epsilon(history, mean_trials=mean_trials, delta=delta)
    rng = np.random.default_rng()
    best: typing.Any = None
    for _ in range(rng.geometric(1.0 / mean_trials)):
        score, result = trial(rng)
        score = float(score)
        if math.isnan(score):
            raise ValueError(
                "The score of a trial must be a number. Return -inf for a failed "
                f"trial. Received: score={score}"
            )
        _check_cost(result, history)
        if best is None or score > best[0]:
            best = score, result
    return SearchResult(best[1], best[0], spent, float(delta))


def search_epsilon(
    history: "PrivacyHistory", *, mean_trials: float, delta: float
) -> float:
    """The privacy loss of a `search`, computed before it is run.

    Source: Papernot and Steinke 2022, "Hyperparameter Tuning with Renyi Differential
    Privacy", theorem 2.

    Examples:
        >>> entry = dpgan.privacy.HistoryEntry(
        ...     mechanism="gaussian",
        ...     noise_multiplier=1.0,
        ...     sampling_probability=0.01,
        ...     count=500,
        ... )
        >>> history = dpgan.privacy.PrivacyHistory([entry])
        >>> round(dpgan.privacy.search_epsilon(history, mean_trials=10, delta=1e-5), 2)
        3.22

    Args:
        history: As in `search`.
        mean_trials: As in `search`.
        delta: As in `search`.

    Returns:
        Float, an upper bound by Renyi differential privacy.
    """
    delta = validate.check_delta(delta)
    mean_trials = validate.check_positive("mean_trials", mean_trials)
    if mean_trials < 1:
        raise ValueError(
            f"`mean_trials` must be at least 1. Received: mean_trials={mean_trials}"
        )
    orders = rdp.ORDERS
    one = rdp.composition_rdp(compose(history))
    price = 2 * np.min((1 - 1 / orders) * one + math.log(mean_trials) / orders)
    total = one + price + math.log(mean_trials) / (orders - 1)
    return float(rdp.to_epsilon(total, delta))


def _check_cost(result, history):
    made = getattr(result, "privacy_history", None)
    if made is None:
        return
    allowed = rdp.composition_rdp(compose(history))
    if np.any(rdp.composition_rdp(compose(made)) > allowed * (1 + _TOLERANCE)):
        raise ValueError(
            "`history` must be at least what each trial costs, but one trial cost "
            f"more. Received: a trial with the updates "
            f"{[entry.to_dict() for entry in made.entries]}"
        )
