"""Computes one figure of a `Plan` from the others."""

import math

from keras_dpgan.privacy import calibration
from keras_dpgan.privacy import pld
from keras_dpgan.privacy import root_finding
from keras_dpgan.privacy.accountant import group_epsilon
from keras_dpgan.privacy.history import PrivacyHistory
from keras_dpgan.privacy.history_entry import HistoryEntry
from keras_dpgan.privacy.trade_off import trade_off


def num_updates(epochs, sampling_probability):
    """The number of discriminator updates that a data set makes in some epochs.

    Args:
        epochs: Positive number.
        sampling_probability: Float in (0, 1].

    Returns:
        Int.
    """
    return math.ceil(epochs * max(1, round(1 / sampling_probability)) - 1e-9)


class PlanSolver:
    """Has one method per unknown, which returns the unknown and epsilon as a dict.

    Arguments are those of `plan`, checked. With an `attack`, a pair of `attack_tpr` and
    `attack_fpr`, the budget is `attack_budget`.
    """

    def __init__(
        self,
        num_examples,
        delta,
        accountant,
        max_records_per_person,
        sampling,
        attack=None,
    ):
        self._num_examples = num_examples
        self._delta = delta
        self._accountant = accountant
        self._group_size = max_records_per_person
        self._sampling = sampling
        self._attack = attack

    def solve(self, unknown, **given):
        """Solves for `unknown`, the name of a figure, from the given ones."""
        return getattr(self, f"_solve_{unknown}")(**given)

    @property
    def attack_budget(self):
        """The accepted risk, on the scale of epsilon."""
        return self._on_scale_of_epsilon(self._attack[0])

    def _on_scale_of_epsilon(self, attack_tpr):
        """Epsilon of the Gaussian mechanism that bounds an attacker by these rates."""
        from scipy import special

        mu = special.ndtri(attack_tpr) - special.ndtri(self._attack[1])
        return pld.gaussian_epsilon(mu**2, self._delta) if mu < math.inf else mu

    def epsilon(self, expected_batch_size, epochs, noise_multiplier):
        """Epsilon of a plan, a float."""
        history = self._history(expected_batch_size, epochs, noise_multiplier)
        return group_epsilon(history, self._delta, self._group_size, self._accountant)

    def _solve_epsilon(self, expected_batch_size, epochs, noise_multiplier):
        return {"epsilon": self._spent(expected_batch_size, epochs, noise_multiplier)}

    def _solve_noise_multiplier(self, expected_batch_size, epochs, epsilon):
        def exact(noise):
            return self._spent(expected_batch_size, epochs, noise)

        def about(noise):
            return self._about(expected_batch_size, epochs, noise)

        found = calibration.least_noise_of(
            exact, about, epsilon, epsilon / self._group_size
        )
        if found is None:
            raise ValueError(
                "No `noise_multiplier` is large enough. Raise the budget. The smallest "
                f"{self._attained(expected_batch_size, epochs, calibration.LARGEST)}. "
                f"{self._received(epsilon)}"
            )
        return {"noise_multiplier": found[0], "epsilon": found[1]}

    def _solve_epochs(self, expected_batch_size, noise_multiplier, epsilon):
        def exact(epochs):
            return self._spent(expected_batch_size, epochs, noise_multiplier)

        def guide(target):
            return _largest_within(
                lambda n: self._about(expected_batch_size, n, noise_multiplier),
                target / self._group_size,
            )

        epochs = root_finding.largest_within(exact, epsilon, guide)
        if epochs == 0:
            raise ValueError(
                "Not one epoch is within the budget. Raise the budget or "
                "`noise_multiplier`. The smallest "
                f"{self._attained(expected_batch_size, 1, noise_multiplier)}, for one "
                f"epoch. {self._received(epsilon)}"
            )
        return {"epochs": epochs, "epsilon": exact(epochs)}

    def _solve_expected_batch_size(self, epochs, noise_multiplier, epsilon):
        def exact(size):
            return self._spent(size, epochs, noise_multiplier)

        def guide(target):
            return _largest_within(
                lambda n: self._about(n, epochs, noise_multiplier) if n else 0.0,
                target,
                self._num_examples,
            )

        def settle(size):
            return int(min(max(size, 1), self._num_examples))

        smallest = exact(1)
        if smallest > epsilon:
            raise ValueError(
                "No `expected_batch_size` is within the budget. Raise the budget or "
                "`noise_multiplier`, or lower `epochs`. The smallest "
                f"{self._attained(1, epochs, noise_multiplier)}, for batches of one "
                f"row. {self._received(epsilon)}"
            )
        start = epsilon / self._group_size
        found = root_finding.solve(exact, guide, settle, epsilon, start)
        size, spent = found or (1, smallest)
        return {"expected_batch_size": size, "epsilon": spent}

    def _history(self, expected_batch_size, epochs, noise_multiplier):
        sampling_probability = expected_batch_size / self._num_examples
        if self._sampling == "poisson":
            sampling = {"sampling_probability": sampling_probability}
        else:
            sampling = {"allocation_batches": num_updates(1, sampling_probability)}
        return _history(
            noise_multiplier, num_updates(epochs, sampling_probability), **sampling
        )

    def _spent(self, *figures):
        if self._attack is None:
            return self.epsilon(*figures)
        return self._on_scale_of_epsilon(self._attack_tpr(*figures))

    def _attack_tpr(self, *figures):
        curve = trade_off(self._history(*figures), self._accountant, self._group_size)
        return curve.true_positive_rate(self._attack[1])

    def _attained(self, *figures):
        """The budget that the figures attain, for messages."""
        if self._attack is None:
            return f"`epsilon` attainable is {self.epsilon(*figures):.4g}"
        return f"`attack_tpr` attainable is {self._attack_tpr(*figures):.4g}"

    def _received(self, epsilon):
        if self._attack is None:
            return f"Received: epsilon={epsilon}."
        return "Received: attack_tpr={}, attack_fpr={}.".format(*self._attack)

    def _about(self, expected_batch_size, epochs, noise_multiplier):
        """A fast epsilon that rises and falls as the exact one does.

        That of Poisson sampling, which random allocation is close to.
        """
        sampling_probability = expected_batch_size / self._num_examples
        history = _history(
            noise_multiplier,
            num_updates(epochs, sampling_probability),
            sampling_probability=sampling_probability,
        )
        return calibration.fast_epsilon(history, self._delta)


def _history(noise_multiplier, count, **sampling):
    entry = HistoryEntry(
        mechanism="gaussian",
        noise_multiplier=noise_multiplier,
        count=count,
        **sampling,
    )
    return PrivacyHistory([entry])


def _largest_within(function, target, limit=math.inf):
    """The largest int up to `limit` at which a rising function is within a target."""
    low, high = 0, 1
    while high <= limit and function(high) <= target:
        low, high = high, 2 * high
    high = min(high, limit + 1)
    while high - low > 1:
        middle = (low + high) // 2
        if function(middle) <= target:
            low = middle
        else:
            high = middle
    return low
