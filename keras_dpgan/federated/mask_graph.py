"""With how many others a client masks, and how many of them open its masks."""

import dataclasses
import functools
import math

import numpy as np
from scipy import special

# That any coalition opens less than the whole sum; that a round is lost.
_LOG_UNSAFE = -40 * math.log(2)
_LOG_LOST = -10 * math.log(2)
# Neighbors at least: where more work together than was agreed, they still need many.
_FEWEST = 16


@dataclasses.dataclass(frozen=True)
class MaskGraph:
    """The numbers of the graph of masks of one round.

    Attributes:
        degree: Int, the others that a client chooses at random to mask with, who
            hold the shares of its secrets.
        threshold: Int, the shares that open a secret.
    """

    degree: int
    threshold: int


@functools.lru_cache(maxsize=64)
def mask_graph(num_clients, max_dropouts, max_colluders):
    """A sparse graph that is safe, and that is likely to open its sum.

    Every client chooses its neighbors itself, uniformly, when it knows who takes
    part: nobody can arrange them. A coalition opens less than the whole sum only if
    some of the honest clients, `s` of them and no more than half, share no mask with
    the other honest ones who are left, although each has its secret opened by
    `threshold` of its neighbors. These are then among the `s` themselves or the
    colluders. The choices are independent, so that whichever clients a server calls
    dropped out, that happens with a probability of at most

        sum over s of binomial(honest, s) * P(s)**s,

    where `P(s)` is the tail of the hypergeometric distribution: of `degree` draws from
    the others at least `threshold` are among `s - 1 + max_colluders`. It is at
    most 2**-40. A round is lost where a client has fewer good neighbors left than
    the threshold, which is bounded likewise, by 2**-10; neighbors are good who
    neither drop out, nor give wrong shares, nor complain of right ones. The threshold
    is the largest with which it is, so that it takes as many as possible to open more.

    Where no sparse graph is safe and likely to open, every client masks with every
    other, and the threshold is as high as such neighbors allow.

    Source: Bell, Bonawitz, Gascon, Lepoint and Raykova 2020, "Secure Single-Server
    Aggregation with (Poly)Logarithmic Overhead", sections 3 and 4.

    Args:
        num_clients: Int, those who take part.
        max_dropouts: Int, how many of them may still drop out.
        max_colluders: Int.

    Returns:
        A `MaskGraph`.
    """
    others = num_clients - 1
    degree = max(_FEWEST, max_colluders)
    while degree < others:
        threshold = _threshold_that_opens(others, max_dropouts, max_colluders, degree)
        if threshold > 0 and (
            _log_unsafe(others, max_colluders, degree, threshold) <= _LOG_UNSAFE
        ):
            return MaskGraph(degree, threshold)
        degree += max(1, degree // 16)
    complete = others - max_dropouts - 2 * max_colluders
    return MaskGraph(others, max(max_colluders + 1, complete, 1))


def _threshold_that_opens(others, max_dropouts, max_colluders, degree):
    """The largest threshold with which a round is likely to open; 0 if none is."""
    good = others - max_dropouts - 2 * max_colluders
    if good < 1:
        return 0
    log_chances = _log_chances(others, np.array([good]), degree, range(degree + 1))
    # Of fewer good neighbors than each threshold, for some client.
    log_lost = np.logaddexp.accumulate(log_chances[:, 0]) + math.log(others + 1)
    return int(np.searchsorted(log_lost, _LOG_LOST, side="right"))


def _log_unsafe(others, max_colluders, degree, threshold):
    honest = others + 1 - max_colluders
    s = np.arange(1, honest // 2 + 1)
    reachable = np.minimum(s - 1 + max_colluders, others)
    subsets = _log_binomial(honest, s)
    chances = _log_chances(others, reachable, degree, range(threshold, degree + 1))
    tails = special.logsumexp(chances, axis=0)
    return float(special.logsumexp(subsets + s * tails)) if len(s) else -math.inf


def _log_chances(others, marked, degree, counts):
    """Logarithms of the chances that of `degree` draws so many are marked."""
    counts, marked = np.array(counts)[:, None], marked[None, :]
    ways = _log_binomial(marked, counts)
    ways = ways + _log_binomial(others - marked, degree - counts)
    return ways - _log_binomial(others, degree)


def _log_binomial(total, chosen):
    """Logarithm of a binomial coefficient; minus infinity where it is zero."""
    total, chosen = np.broadcast_arrays(total, chosen)
    possible = (chosen >= 0) & (chosen <= total)
    chosen = np.where(possible, chosen, 0)
    value = (
        special.gammaln(total + 1)
        - special.gammaln(chosen + 1)
        - special.gammaln(total - chosen + 1)
    )
    return np.where(possible, value, -np.inf)
