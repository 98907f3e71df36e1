"""The privacy guarantee of a training, in words and as JSON."""

import collections.abc
import dataclasses
import importlib.metadata
import math

from keras_dpgan._utils import validate
from keras_dpgan.privacy import statement_text
from keras_dpgan.privacy.accountant import ACCOUNTANTS
from keras_dpgan.privacy.accountant import epsilon as epsilon_of
from keras_dpgan.privacy.accountant import group_epsilon as group_epsilon_of
from keras_dpgan.privacy.history import PrivacyHistory
from keras_dpgan.privacy.trade_off import TradeOff
from keras_dpgan.privacy.trade_off import trade_off as trade_off_of

# The false positive rates for which statements bound what an attacker can do.
FALSE_POSITIVE_RATES = (0.001, 0.01, 0.1)

RELEASED = (
    "the generator and any data drawn from it",
    "the discriminator",
    "the logs g_loss, d_loss_fake and epsilon",
)
WITHHELD = (
    "the private data",
    "metrics whose name starts with nonprivate_",
    "the batches: which rows were drawn, and how many",
)
ASSUMPTIONS = (
    "random numbers of the operating system, from which noise and batches are drawn, "
    "cannot be guessed",
    "floating-point arithmetic is treated as arithmetic with real numbers",
    "what is published depends on the private data only through these updates",
)
_ONCE_IN_A_BATCH = (
    "in data whose batches were not drawn here, no row is twice in one batch: a row "
    "that occurs m times would move an update by m clips, and the noise only covers one"
)
NOT_COVERED = (
    "hyper-parameters chosen by results on the private data, since each trial spends "
    "its own budget",
    "evaluation on the private data",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrivacyStatement:
    """A privacy guarantee and its assumptions, returned by `privacy_statement`.

    `str()` gives it in words and begins with what weakens it; `to_dict()` gives JSON.

    Examples:
        >>> entry = dpgan.privacy.HistoryEntry(
        ...     mechanism="gaussian",
        ...     noise_multiplier=1.0,
        ...     sampling_probability=0.01,
        ...     count=500,
        ... )
        >>> history = dpgan.privacy.PrivacyHistory([entry])
        >>> statement = dpgan.privacy.privacy_statement(history, delta=1e-5)
        >>> statement.has_guarantee
        True
        >>> round(statement.epsilon, 2)
        1.33

    Attributes:
        epsilon: Float, infinite where there is no guarantee.
        delta: Float.
        accountant: `"pld"` or `"rdp"`.
        history: `PrivacyHistory`.
        epsilon_once_per_epoch: Float: what epsilon would be if each row had been in one
            batch per epoch, in a fixed order, instead of in Poisson samples or a random
            allocation. `None` if there was no such secret sampling.
        max_records_per_person: Int.
        group_epsilon: Float: epsilon for a person with this number of rows.
        trade_off: `TradeOff`, the bound on what an attacker can do; `None` if there is
            no guarantee.
        num_examples: Int, or `None` if it is not known.
        num_examples_is_public: Whether the number of rows counts as known to anyone.
        l2_norm_clip: Float, or `None` if it is not stated.
        caveats: Tuple of strings that must be read before anything else.
        released: Tuple of strings: what may be published under the guarantee.
        withheld: Tuple of strings: what must not be published.
        assumptions: Tuple of strings.
        not_covered: Tuple of strings.
    """

    epsilon: float
    delta: float
    accountant: str
    history: PrivacyHistory
    epsilon_once_per_epoch: float | None
    max_records_per_person: int
    group_epsilon: float
    trade_off: TradeOff | None
    num_examples: int | None
    l2_norm_clip: float | None
    caveats: tuple
    released: tuple
    num_examples_is_public: bool = True
    withheld: tuple = WITHHELD
    assumptions: tuple = ASSUMPTIONS
    not_covered: tuple = NOT_COVERED

    @property
    def has_guarantee(self) -> bool:
        """Whether anything is promised at all."""
        return math.isfinite(self.epsilon)

    @property
    def accounting_library(self) -> str:
        """Name and version of the library that computed epsilon."""
        return f"dp-accounting {importlib.metadata.version('dp-accounting')}"

    def to_dict(self) -> dict:
        """The statement as JSON values. An infinite epsilon is `None`."""
        return {
            "has_guarantee": self.has_guarantee,
            "caveats": list(self.caveats),
            "epsilon": _finite(self.epsilon),
            "delta": self.delta,
            "accountant": self.accountant,
            "accounting_library": self.accounting_library,
            "unit_of_privacy": self.history.unit,
            "neighbouring_relation": self.history.relation,
            "num_examples": self.num_examples,
            "num_examples_is_public": self.num_examples_is_public,
            "l2_norm_clip": self.l2_norm_clip,
            "updates": [entry.to_dict() for entry in self.history.entries],
            "epsilon_once_per_epoch": _finite(self.epsilon_once_per_epoch),
            "max_records_per_person": self.max_records_per_person,
            "group_epsilon": _finite(self.group_epsilon),
            "attack": self.trade_off and self._attack(self.trade_off),
            "released": list(self.released),
            "withheld": list(self.withheld),
            "assumptions": list(self.assumptions),
            "not_covered": list(self.not_covered),
        }

    def _attack(self, trade_off):
        """The bounds on what an attacker can do, as JSON values."""
        return {
            "rates": [
                {
                    "false_positive_rate": rate,
                    "true_positive_rate": trade_off.true_positive_rate(rate),
                }
                for rate in FALSE_POSITIVE_RATES
            ],
            "advantage": trade_off.advantage,
            "gdp_mu": _finite(trade_off.gdp_mu(self.smallest_rate)),
            "gdp_mu_from_rate": self.smallest_rate,
        }

    @property
    def smallest_rate(self) -> float:
        """Where the GDP mu begins to hold: the rate of errors, a float."""
        return min(self.delta, FALSE_POSITIVE_RATES[0])

    def __str__(self):
        return statement_text.write(self)


def privacy_statement(
    history: PrivacyHistory,
    delta: float,
    *,
    num_examples: int | None = None,
    num_examples_is_public: bool = True,
    l2_norm_clip: float | None = None,
    accountant: str = "pld",
    max_records_per_person: int = 1,
    private: bool = True,
    released: collections.abc.Sequence[str] = RELEASED,
    assumptions: collections.abc.Sequence[str] = (),
    notes: collections.abc.Sequence[str] = (),
) -> PrivacyStatement:
    """States what a history guarantees.

    Examples:
        >>> entry = dpgan.privacy.HistoryEntry(
        ...     mechanism="gaussian",
        ...     noise_multiplier=1.0,
        ...     sampling_probability=0.01,
        ...     count=500,
        ... )
        >>> history = dpgan.privacy.PrivacyHistory([entry])
        >>> statement = dpgan.privacy.privacy_statement(
        ...     history, delta=1e-5, num_examples=10_000
        ... )
        >>> print(str(statement).splitlines()[0])
        Differentially private with epsilon = 1.327 at delta = 1e-05, by privacy loss

    Args:
        history: `PrivacyHistory` of all updates made with the private data.
        delta: Float in (0, 1).
        num_examples: Int, the number of rows of the private data. Defaults to `None`:
            it is not known.
        num_examples_is_public: Whether anyone may know the number of rows. Give `False`
            only if nothing that is released was computed from it; then `num_examples`
            must be `None`. Defaults to `True`.
        l2_norm_clip: Float, the clip of each row's gradient. Defaults to `None`: it is
            not stated.
        accountant: `"pld"` or `"rdp"`; see `epsilon`. Defaults to `"pld"`.
        max_records_per_person: Positive int: also states epsilon for a person with up
            to this number of rows. Defaults to 1.
        private: Whether every update went through a privacy mechanism. Defaults
            to `True`.
        released: Strings: what is published. Defaults to the generator and its data,
            the discriminator, and the logs.
        assumptions: Strings: further assumptions.
        notes: Strings: further sentences for the beginning, as for a resumed run.

    Returns:
        A `PrivacyStatement`.

    Raises:
        ValueError: If an argument is wrong.
    """
    delta = validate.check_delta(delta)
    if num_examples is not None:
        num_examples = validate.check_int("num_examples", num_examples, minimum=1)
    _check_public(history, num_examples, num_examples_is_public)
    if l2_norm_clip is not None:
        l2_norm_clip = validate.check_positive("l2_norm_clip", l2_norm_clip)
    validate.check_bool("private", private)
    validate.check_choice("accountant", accountant, ACCOUNTANTS)
    max_records_per_person = validate.check_int(
        "max_records_per_person", max_records_per_person, minimum=1
    )
    person, epsilon, if_once = math.inf, math.inf, None
    if private:
        epsilon = epsilon_of(history, delta, accountant)
        person = group_epsilon_of(history, delta, max_records_per_person, accountant)
        if any(entry.is_amplified for entry in history.entries):
            if_once = epsilon_of(_once_per_epoch(history), delta, accountant)
    if any(entry.excess_divergence is not None for entry in history.entries):
        accountant = "rdp"  # Whichever was asked for: see `epsilon`.
    guaranteed = math.isfinite(epsilon)
    trade_off = trade_off_of(history, accountant) if guaranteed else None
    caveats = statement_text.caveats(history, delta, num_examples, private)
    return PrivacyStatement(
        epsilon=epsilon,
        delta=delta,
        accountant=accountant,
        history=history.copy(),
        epsilon_once_per_epoch=if_once,
        max_records_per_person=max_records_per_person,
        group_epsilon=person,
        trade_off=trade_off,
        num_examples=num_examples,
        num_examples_is_public=num_examples_is_public,
        # The model's own clip is of rows.
        l2_norm_clip=None if history.unit == "client" else l2_norm_clip,
        caveats=(*caveats, *notes),
        released=tuple(released) if guaranteed else (),
        withheld=WITHHELD if guaranteed else (*WITHHELD, *released),
        assumptions=(*ASSUMPTIONS, *_of_batches(history), *assumptions),
    )


def _check_public(history, num_examples, num_examples_is_public):
    """Refuses a number of rows that is not public and shows all the same."""
    validate.check_bool("num_examples_is_public", num_examples_is_public)
    sampled = any(e.sampling_probability not in (None, 1) for e in history.entries)
    if not num_examples_is_public and (sampled or num_examples is not None):
        raise ValueError(
            "`num_examples_is_public` must be True if `num_examples` is stated, or if "
            "rows were sampled with a probability that was computed from it. Received: "
            f"num_examples_is_public=False, num_examples={num_examples}."
        )


def _of_batches(history):
    """The assumptions about batches that were not drawn here."""
    if any(e.unit == "row" and not _is_drawn_here(e) for e in history.entries):
        yield _ONCE_IN_A_BATCH


def _is_drawn_here(entry):
    return not (entry.sampling_probability is entry.allocation_batches is None)


def _once_per_epoch(history):
    """The same updates, as if they had used the rows in a fixed order."""
    entries = []
    for entry in history.entries:
        # Where every row is drawn each time there is no order.
        if entry.is_amplified and entry.sampling_probability != 1:
            epochs = entry.participations
            if entry.allocation_batches is None:
                epochs = math.ceil(entry.count * entry.sampling_probability - 1e-9)
            entry = dataclasses.replace(
                entry,
                sampling_probability=None,
                allocation_batches=None,
                max_participations=max(1, epochs),
            )
        entries.append(entry)
    return PrivacyHistory(entries)


def _finite(number):
    return number if number is not None and math.isfinite(number) else None
