"""With how many others a client masks, and how many of them open its masks."""

import dataclasses
import functools
import math

import numpy as np
from scipy import special

# That any coalition opens less than the whole sum; that a round is lost.
_LOG_UNSAFE = -40 * math.log(2)
_LOG_LOST = -10 * math.log(2)


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
    """The sparsest graph that is safe, and that is likely to open its sum.

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
    neither drop out, nor give wrong shares, nor complain of right ones.

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
    degree = max(1, max_colluders)
    while degree < others:
        threshold = _safe_threshold(others, max_colluders, degree)
        if threshold is not None and _opens(
            others, max_dropouts, max_colluders, degree, threshold
        ):
            return MaskGraph(degree, threshold)
        degree += max(1, degree // 16)
    complete = others - max_dropouts - 2 * max_colluders
    return MaskGraph(others, max(max_colluders + 1, complete, 1))


def _safe_threshold(others, max_colluders, degree):
    """The smallest threshold that is safe; `None` where none is."""
    low, high = 1, degree + 1
    while low < high:
        middle = (low + high) // 2
        if _log_unsafe(others, max_colluders, degree, middle) <= _LOG_UNSAFE:
            high = middle
        else:
            low = middle + 1
    return low if low <= degree else None


def _log_unsafe(others, max_colluders, degree, threshold):
    honest = others + 1 - max_colluders
    s = np.arange(1, honest // 2 + 1)
    reachable = np.minimum(s - 1 + max_colluders, others)
    subsets = _log_binomial(honest, s)
    tails = _log_chance(others, reachable, degree, range(threshold, degree + 1))
    return float(special.logsumexp(subsets + s * tails)) if len(s) else -math.inf


def _opens(others, max_dropouts, max_colluders, degree, threshold):
    good = others - max_dropouts - 2 * max_colluders
    if good < threshold:
        return False
    lost = _log_chance(others, np.array([good]), degree, range(threshold))
    return lost[0] + math.log(others + 1) <= _LOG_LOST


def _log_chance(others, marked, degree, counts):
    """Logarithm of the chance that of `degree` draws `counts` are marked."""
    counts, marked = np.array(counts)[:, None], marked[None, :]
    ways = _log_binomial(marked, counts)
    ways = ways + _log_binomial(others - marked, degree - counts)
    return special.logsumexp(ways, axis=0) - _log_binomial(others, degree)


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
