"""Measures how well an attack distinguishes members of the training data."""

import dataclasses

import numpy as np
import numpy.typing as npt

from keras_dpgan._utils import validate

_SIGNIFICANCE = 1e-3
_LOW_RATE = 0.01
_NORMAL_QUANTILE = 3.2905  # The quantile of a two-sided interval with 99.9% confidence.
_MIN_RECORDS = 10


@dataclasses.dataclass(frozen=True)
class MembershipInference:
    """How well an attack distinguishes members from others. None of it is private.

    Examples:
        >>> result = dpgan.evaluation.membership_inference(
        ...     scores=range(20), members=[False] * 10 + [True] * 10
        ... )
        >>> result.auc, result.inferred
        (1.0, True)

    Attributes:
        auc: Float, the probability that a member has a higher score than another
            record: 0.5 if the attack knows nothing.
        auc_interval: Pair of floats, with 99.9% confidence.
        advantage: Float, the largest difference of the true and the false
            positive rate over all thresholds.
        low_rate_power: Float, the share of members found at a threshold that
            accuses at most 1% of the others.
        p_value: Float, the probability of such an AUC by chance alone.
        inferred: Whether membership was inferred: the p-value is below 0.001.
    """

    auc: float
    auc_interval: tuple
    advantage: float
    low_rate_power: float
    p_value: float
    inferred: bool

    def __str__(self):
        low, high = self.auc_interval
        said = "MEMBERSHIP INFERRED" if self.inferred else "no membership inferred"
        return (
            f"{said}: AUC {self.auc:.3f} ({low:.3f} to {high:.3f}), advantage "
            f"{self.advantage:.3f}, {self.low_rate_power:.1%} of members found at "
            f"1% of false alarms"
        )


def membership_inference(
    scores: npt.ArrayLike, members: npt.ArrayLike
) -> MembershipInference:
    """Measures how well scores distinguish members from others.

    This is the threshold attack of Yeom et al. 2018, "Privacy Risk in Machine
    Learning", at all thresholds. Its power at a low rate of false alarms is the measure
    that Carlini et al. 2022 recommend ("Membership Inference Attacks From First
    Principles"). The interval is that of DeLong et al. 1988, and the p-value that of
    Mann and Whitney.

    Members and others must differ in nothing but their membership, as two random halves
    of one data set do. Any other difference would look like a successful attack.

    Examples:
        >>> result = dpgan.evaluation.membership_inference(
        ...     scores=range(20), members=[False, True] * 10
        ... )
        >>> result.auc, result.inferred
        (0.55, False)

    Args:
        scores: Floats of shape `(n,)`, high where a record seems to be a member.
        members: Bools of shape `(n,)`, at least 10 of each.

    Returns:
        A `MembershipInference`.

    Raises:
        ValueError: If the two do not fit each other.
    """
    from scipy import stats
    from sklearn import metrics

    scores, members = _check_scores(scores, members)
    false_rate, true_rate, _ = metrics.roc_curve(members, scores)
    auc = float(metrics.auc(false_rate, true_rate))
    margin = _NORMAL_QUANTILE * _standard_error(scores, members)
    p_value = stats.mannwhitneyu(
        scores[members], scores[~members], alternative="greater"
    ).pvalue
    return MembershipInference(
        auc=auc,
        auc_interval=(max(0.0, auc - margin), min(1.0, auc + margin)),
        advantage=float(np.max(true_rate - false_rate)),
        low_rate_power=float(np.max(true_rate[false_rate <= _LOW_RATE])),
        p_value=float(p_value),
        inferred=bool(p_value < _SIGNIFICANCE),
    )


def _standard_error(scores, members):
    """The standard error of the AUC; DeLong et al. 1988, by midranks."""
    from scipy import stats

    ranks = stats.rankdata(scores)
    shares = []
    for group in (members, ~members):
        below = ranks[group] - stats.rankdata(scores[group])
        shares.append(below / (len(scores) - group.sum()))
    return np.sqrt(sum(np.var(share, ddof=1) / len(share) for share in shares))


def _check_scores(scores, members) -> tuple[np.ndarray, np.ndarray]:
    scores, members = validate.check_scores(scores, members, "members", "record")
    smaller = min(members.sum(), (~members).sum())
    if smaller < _MIN_RECORDS:
        raise ValueError(
            f"`members` must name at least {_MIN_RECORDS} members and as many others. "
            f"Received: {members.sum()} members of {len(members)} records"
        )
    return scores, members
