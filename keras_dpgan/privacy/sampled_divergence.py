"""Poisson sampling before a mechanism that is known by its divergence alone."""

import numpy as np

# Above the rounding errors of logarithms of factorials up to 1024!.
_RESOLUTION = 1e-11


def sampled_divergence(divergence, sampling_probability, orders):
    """The Renyi divergence of a mechanism on a Poisson sample.

    With `P` and `Q` the mechanism's laws with a record and without, `A` an order
    and `q` the sampling probability, the moment `E_Q[((1 - q) + q P/Q)^A]` is the
    binomial sum of `E_Q[(P/Q)^k] = exp((k - 1) D_k(P || Q))`. Its other direction
    is no larger where some involution takes `P` to `Q`. Source: Mironov, Talwar
    and Zhang 2019, "Renyi Differential Privacy of the Sampled Gaussian Mechanism",
    theorem 5 and section 3.3.

    Args:
        divergence: Function from an array of whole orders of at least 2 to upper
            bounds on the divergence of the mechanism without sampling.
        sampling_probability: Float in (0, 1].
        orders: Float array of shape `(n,)`, each above 1 and at most 1024.

    Returns:
        Float64 array of shape `(n,)`. An order that is not whole has the bound
        that those beside it give: `(A - 1) D_A` is convex and 0 at order 1.
    """
    orders = np.asarray(orders, np.float64)
    if sampling_probability == 1.0:
        return np.asarray(divergence(orders), np.float64)
    whole = np.unique(np.concatenate([np.floor(orders), np.ceil(orders)]))
    whole = whole[whole >= 2].astype(int)
    k = np.arange(2, whole[-1] + 1)
    log_moments = np.zeros(whole[-1] + 1)
    log_moments[2:] = (k - 1) * divergence(k.astype(np.float64))
    log_sampled = [_log_moment(log_moments, sampling_probability, a) for a in whole]
    line = np.interp(orders, np.append(1, whole), np.append(0.0, log_sampled))
    return line / (orders - 1)


def _log_moment(log_moments, q, order):
    from scipy import special

    k = np.arange(order + 1)
    log_choose = (
        special.gammaln(order + 1)
        - special.gammaln(k + 1)
        - special.gammaln(order - k + 1)
    )
    terms = log_choose + k * np.log(q) + (order - k) * np.log1p(-q)
    total = special.logsumexp(terms + log_moments[: order + 1])
    return max(0.0, total) + _RESOLUTION
