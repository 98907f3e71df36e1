"""Plans a privacy budget before training, by computing one figure from the others."""

import dataclasses

from keras_dpgan._utils import validate
from keras_dpgan.privacy.accountant import ACCOUNTANTS
from keras_dpgan.privacy.plan_solver import PlanSolver
from keras_dpgan.privacy.plan_solver import num_updates
from keras_dpgan.privacy.statement_text import shown

_UNKNOWNS = ("expected_batch_size", "epochs", "epsilon", "noise_multiplier")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Figures of a private training run that fit together; made by `plan`.

    Examples:
        >>> budget = dpgan.privacy.plan(
        ...     60_000, expected_batch_size=256, epochs=100, epsilon=10, delta=1e-5,
        ...     accountant="rdp",
        ... )
        >>> budget.num_discriminator_updates
        23400
        >>> print(budget)
        noise_multiplier=0.68656 gives epsilon=9.998 at delta=1e-05 (RDP)
        100 epochs = 23,400 discriminator updates, ...

    Attributes:
        num_examples: Int, the number of rows of the private data.
        expected_batch_size: Int, the mean size of a Poisson batch.
        epochs: The number of epochs, of `num_updates_per_epoch` updates each.
        noise_multiplier: Float, for the optimizer.
        epsilon: Float, the epsilon of these figures, which is within the budget.
        delta: Float.
        accountant: `"pld"` or `"rdp"`.
        max_records_per_person: Int, the rows that `epsilon` protects together.
        sampling: `"poisson"` or `"allocation"`.
    """

    num_examples: int
    expected_batch_size: int
    epochs: float
    noise_multiplier: float
    epsilon: float
    delta: float
    accountant: str
    max_records_per_person: int
    sampling: str = "poisson"

    @property
    def sampling_probability(self) -> float:
        """The probability q with which a row enters a Poisson batch, a float."""
        return self.expected_batch_size / self.num_examples

    @property
    def num_discriminator_updates(self) -> int:
        """The number of updates in all epochs, an int."""
        return num_updates(self.epochs, self.sampling_probability)

    def alternatives(self) -> "Alternatives":
        """Plans with other figures for the same data and delta.

        These show the noise for twice the batch size, half or twice the epochs, and
        twice the epsilon. Computing them takes about ten seconds by PLD.

        Returns:
            An `Alternatives`: a tuple of plans, this one first, that prints as a
            table.
        """
        given = dataclasses.asdict(self)
        del given["noise_multiplier"]
        changes: list[dict[str, float]] = [
            {"expected_batch_size": 2 * self.expected_batch_size},
            {"epochs": self.epochs / 2},
            {"epochs": self.epochs * 2},
            {"epsilon": self.epsilon * 2},
        ]
        if changes[0]["expected_batch_size"] > self.num_examples:
            del changes[0]
        return Alternatives([self, *(plan(**{**given, **c}) for c in changes)])

    def __str__(self):
        person = ""
        if self.max_records_per_person > 1:
            person = f" for a person with up to {self.max_records_per_person} rows"
        return (
            f"noise_multiplier={self.noise_multiplier:g} gives "
            f"epsilon={shown(self.epsilon)} at delta={self.delta:g}{person} "
            f"({self.accountant.upper()})\n"
            f"{self.epochs:g} epochs = {self.num_discriminator_updates:,} "
            f"discriminator updates, {self._batches()}"
        )

    def _batches(self):
        of_rows = f"{self.expected_batch_size:,} of {self.num_examples:,} rows"
        if self.sampling == "allocation":
            batches = num_updates(1, self.sampling_probability)
            return f"each row in one of {batches:,} batches of some {of_rows} an epoch"
        return (
            f"on Poisson batches of {of_rows} expected "
            f"(q = {self.sampling_probability:.4g})"
        )


class Alternatives(tuple):
    """A tuple of `Plan` that prints as a table."""

    def __str__(self):
        rows = [("batch", "epochs", "updates", "epsilon", "noise multiplier")]
        rows += [
            (
                f"{p.expected_batch_size}",
                f"{p.epochs:g}",
                f"{p.num_discriminator_updates}",
                shown(p.epsilon),
                f"{p.noise_multiplier:g}",
            )
            for p in self
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) for cell, width in zip(row, widths, strict=True)
            )
            for row in rows
        ]
        return "\n".join(lines)


def plan(
    num_examples: int,
    expected_batch_size: float | None = None,
    epochs: float | None = None,
    epsilon: float | None = None,
    delta: float | None = None,
    noise_multiplier: float | None = None,
    accountant: str = "pld",
    max_records_per_person: int = 1,
    attack_tpr: float | None = None,
    attack_fpr: float | None = None,
    sampling: str = "poisson",
) -> Plan:
    """Computes one figure of a private training run from the others.

    Give all but one of `expected_batch_size`, `epochs`, `epsilon` and
    `noise_multiplier`. The missing figure is then computed: the least noise, the
    largest number of whole epochs or the largest batch within the budget, or the
    epsilon that is spent. This takes about two seconds.

    Instead of `epsilon`, you can give the budget as a risk. For example,
    `attack_tpr=0.05, attack_fpr=0.01` asks that an attacker who wrongly accuses at
    most one in a hundred outsiders recognizes at most five in a hundred members. The
    plan says which epsilon this corresponds to.

    Examples:
        >>> budget = dpgan.privacy.plan(
        ...     60_000, expected_batch_size=256, epochs=100, epsilon=10, delta=1e-5
        ... )
        >>> round(budget.noise_multiplier, 2)
        0.67
        >>> optimizer = dpgan.optimizers.DPKerasAdamOptimizer(
        ...     l2_norm_clip=1.0, noise_multiplier=budget.noise_multiplier
        ... )

    Args:
        num_examples: Positive int, the number of rows of the private data.
        expected_batch_size: Int in [1, num_examples], the mean size of a Poisson
            batch. Each row is drawn with probability
            q = expected_batch_size / num_examples.
        epochs: Positive number. An epoch is 1/q discriminator updates.
        epsilon: Positive float, the budget.
        delta: Float in (0, 1), below 1 / num_examples. Must be given.
        noise_multiplier: Positive float, the standard deviation of the noise
            divided by the clip.
        accountant: `"pld"` or `"rdp"`; see `epsilon`. Defaults to `"pld"`.
        max_records_per_person: Positive int: epsilon is computed for a person with up
            to this number of rows. Defaults to 1.
        attack_tpr: Float in (0, 1), the largest share of members that an attacker may
            recognize (true positives). It replaces `epsilon`. Defaults to `None`.
        attack_fpr: Float in (0, 1), below `attack_tpr`: the share of outsiders whom
            that attacker may accuse wrongly (false positives). Defaults to `None`.
        sampling: `"poisson"`, for arrays and a `data.PoissonDataset`, or
            `"allocation"`, for a `data.AllocationDataset`. Defaults to `"poisson"`.

    Returns:
        A `Plan`. Its epsilon is never above the budget. If the noise was computed, it
        is at most about 0.1% below the budget.

    Raises:
        ValueError: If an argument is wrong, if not exactly one figure is left out, or
            if nothing fits the budget. In the last case the error says what would fit.
    """
    figures = {
        "expected_batch_size": expected_batch_size,
        "epochs": epochs,
        "epsilon": epsilon,
        "noise_multiplier": noise_multiplier,
    }
    by_attack = attack_tpr is not None or attack_fpr is not None
    if by_attack:
        _check_attack(attack_tpr, attack_fpr, epsilon)
    unknowns = [name for name in _UNKNOWNS if not (by_attack and name == "epsilon")]
    missing = [name for name in unknowns if figures[name] is None]
    if len(missing) != 1:
        raise ValueError(
            f"Exactly one of {', '.join(f'`{name}`' for name in unknowns)} must be "
            f"left out. Received: {len(missing)} left out {missing}."
        )
    if delta is None:
        raise ValueError(
            "`delta` must be given, a float below 1 / num_examples. "
            "Received: delta=None."
        )
    setting = {
        "num_examples": validate.check_int("num_examples", num_examples, minimum=1),
        "delta": validate.check_delta(delta, num_examples),
        "accountant": validate.check_choice("accountant", accountant, ACCOUNTANTS),
        "max_records_per_person": validate.check_int(
            "max_records_per_person", max_records_per_person, minimum=1
        ),
        "sampling": validate.check_choice(
            "sampling", sampling, ("poisson", "allocation")
        ),
    }
    given = _checked(figures, num_examples)
    attack = (attack_tpr, attack_fpr) if by_attack else None
    solver = PlanSolver(**setting, attack=attack)
    if not by_attack:
        return Plan(**setting, **{**given, **solver.solve(missing[0], **given)})
    budget = solver.attack_budget
    if budget == 0:
        raise ValueError(
            "`attack_tpr` must be above `attack_fpr` by more than `delta`. Otherwise "
            f"no amount of noise is enough. Received: attack_tpr={attack_tpr}, "
            f"attack_fpr={attack_fpr}, delta={delta}."
        )
    solved = solver.solve(missing[0], epsilon=budget, **given)
    del solved["epsilon"]  # It is on the scale of the search.
    given |= solved
    return Plan(**setting, **given, epsilon=solver.epsilon(**given))


def _check_attack(attack_tpr, attack_fpr, epsilon):
    if epsilon is not None:
        raise ValueError(
            "Either `epsilon` or the pair of `attack_tpr` and `attack_fpr` must be "
            f"given, because each of them is the budget. Received: epsilon={epsilon}, "
            f"attack_tpr={attack_tpr}, attack_fpr={attack_fpr}."
        )
    rates = {"attack_tpr": attack_tpr, "attack_fpr": attack_fpr}
    for name, rate in rates.items():
        if rate is None or not validate.check_positive(name, rate) < 1:
            raise ValueError(
                f"`{name}` must be a float in (0, 1), and both rates of the attack "
                f"must be given. Received: {name}={rate}."
            )
    if not attack_fpr < attack_tpr:
        raise ValueError(
            "`attack_tpr` must be above `attack_fpr`, because an attacker who guesses "
            "at random recognizes that share of members. Received: "
            f"attack_tpr={attack_tpr}, attack_fpr={attack_fpr}."
        )


def _checked(figures, num_examples):
    """The figures that are given, checked, in plain Python form."""
    given = {name: value for name, value in figures.items() if value is not None}
    for name, value in given.items():
        if name == "expected_batch_size":
            given[name] = validate.check_int(name, value, 1, num_examples)
        else:
            given[name] = validate.check_positive(name, value)
    return given
