"""A mixture that several owners of rows release together."""

import collections.abc
import dataclasses
import math
import typing

import numpy as np

from keras_dpgan import privacy
from keras_dpgan._utils import validate
from keras_dpgan.federated import joint_entry
from keras_dpgan.federated.cohort import Cohort
from keras_dpgan.federated.own_noise import OwnNoise
from keras_dpgan.federated.record_sum_noise import RecordSumNoise
from keras_dpgan.federated.shared_noise import SharedNoise
from keras_dpgan.mixture import ClassMixture
from keras_dpgan.mixture import GroupMoments
from keras_dpgan.mixture import MixturePlan
from keras_dpgan.mixture import MomentSums
from keras_dpgan.mixture.fitting import fit
from keras_dpgan.privacy import calibration
from keras_dpgan.privacy import origins
from keras_dpgan.privacy.history_entry import HistoryEntry

if typing.TYPE_CHECKING:
    from keras_dpgan.privacy.ledger.ledger import Ledger


@dataclasses.dataclass(frozen=True, kw_only=True)
class JointMixture:
    """What owners and server agree upon before they make a mixture together.

    A mixture is made of a few sums over all rows (`mixture.MixturePlan`). Each owner
    turns its own rows into one vector a step, its `contribution`, and each step has a
    mechanism of its own, which says how far a vector moves and what noise it has. What
    comes out is what `mixture.private_class_mixture` makes of all rows in one place.

    Examples:
        >>> joint = dpgan.federated.JointMixture.of_records(
        ...     plan=dpgan.mixture.MixturePlan(shape=(8, 8, 1), num_classes=10),
        ...     cohort=dpgan.federated.Cohort(10, max_dropouts=3, max_colluders=1),
        ...     noise_multiplier=2.2,
        ...     max_records=500,
        ... )
        >>> history = dpgan.privacy.PrivacyHistory([joint.entry])
        >>> round(dpgan.privacy.epsilon(history, delta=1e-5), 2)
        1.95

    Args:
        plan: A `mixture.MixturePlan`.
        mechanisms: Tuple of what noises the sums, one for each of `plan.steps`.
    """

    plan: MixturePlan
    mechanisms: tuple

    def __post_init__(self):
        sizes = tuple(mechanism.num_parameters for mechanism in self.mechanisms)
        if sizes != self.plan.sizes:
            raise ValueError(
                "`mechanisms` must be one for each step of `plan`, for vectors of the "
                f"sizes {self.plan.sizes}. Received: mechanisms of sizes {sizes}"
            )

    @classmethod
    def of_records(
        cls,
        plan: MixturePlan,
        cohort: Cohort,
        noise_multiplier: float,
        max_records: int,
        modulus: int = 2**32,
        growth: float = 0.01,
    ) -> "JointMixture":
        """The mixture of which a record is the unit, by sums that hide the owners'.

        Args:
            plan: A `mixture.MixturePlan`.
            cohort: A `Cohort`: how many owners there are, may drop out and collude.
            noise_multiplier: Positive float, that of all steps together: what
                `private_class_mixture` has in one place.
            max_records: Int, the records of the largest owner, which is public. What
                an owner has beyond makes its sums shorter, and nothing else.
            modulus: As in `SharedNoise`.
            growth: As in `SharedNoise`.

        Returns:
            A `JointMixture`.

        Raises:
            ValueError: If an argument does not fit, or sums would wrap around.
        """
        noise_multiplier = validate.check_positive("noise_multiplier", noise_multiplier)
        validate.check_int("max_records", max_records, minimum=1)
        return cls(
            plan=plan,
            mechanisms=tuple(
                RecordSumNoise(
                    cohort,
                    1.0,
                    noise_multiplier / math.sqrt(step.share),
                    size,
                    modulus,
                    growth,
                    sampling_probability=1.0,
                    largest_sum=float(max_records),
                )
                for step, size in zip(plan.steps, plan.sizes, strict=True)
            ),
        )

    @classmethod
    def of_clients(
        cls,
        plan: MixturePlan,
        cohort: Cohort,
        noise_multiplier: float,
        max_records: int,
        modulus: int = 2**32,
        growth: float = 0.01,
    ) -> "JointMixture":
        """The mixture of which a client is the unit: all of its records together.

        A client's vector, the sum over its records, is clipped as a whole. Where all
        records are added up in one place of it, it is clipped at half of what
        `max_records` of them can reach; where each label has a place of its own, at
        their root, which is what records of different labels reach.

        Args:
            plan: As in `of_records`.
            cohort: As in `of_records`.
            noise_multiplier: As in `of_records`.
            max_records: Int, the records that most clients have at most: public.
            modulus: As in `SharedNoise`.
            growth: As in `SharedNoise`.

        Returns:
            A `JointMixture`.

        Raises:
            ValueError: As in `of_records`.
        """
        noise_multiplier = validate.check_positive("noise_multiplier", noise_multiplier)
        validate.check_int("max_records", max_records, minimum=1)
        pooled = max(1.0, 0.5 * max_records)
        by_label = math.sqrt(max_records)
        return cls(
            plan=plan,
            mechanisms=tuple(
                SharedNoise(
                    cohort,
                    pooled if step.pooled else by_label,
                    noise_multiplier / math.sqrt(step.share),
                    size,
                    modulus,
                    growth,
                )
                for step, size in zip(plan.steps, plan.sizes, strict=True)
            ),
        )

    @classmethod
    def of_owners(
        cls, plan: MixturePlan, kind: str, noise_multiplier: float
    ) -> "JointMixture":
        """The mixture for which each owner adds noise of its own: nobody is trusted.

        A record is the unit, whose owner alone pays for it. Take a plan with
        `covariances="shared"` for Laplace noise, or where owners have few records.

        Args:
            plan: As in `of_records`.
            kind: `"gaussian"` or `"laplace"`; see `OwnNoise`.
            noise_multiplier: Positive float, that of all steps together. Of Laplace
                noise epsilon is one over it.

        Returns:
            A `JointMixture`.

        Raises:
            ValueError: If an argument does not fit.
        """
        noise_multiplier = validate.check_positive("noise_multiplier", noise_multiplier)
        parts = np.sqrt([step.share for step in plan.steps])
        if kind == "laplace":
            # Of epsilon, which is what adds up there.
            parts = parts / parts.sum()
        return cls(
            plan=plan,
            mechanisms=tuple(
                OwnNoise(
                    kind=kind,
                    noise_multiplier=float(noise_multiplier / part),
                    num_parameters=size,
                )
                for part, size in zip(parts, plan.sizes, strict=True)
            ),
        )

    @property
    def entry(self) -> HistoryEntry:
        """What all steps cost together, a `privacy.HistoryEntry`."""
        return joint_entry.all_together([m.entry for m in self.mechanisms])

    def sums(
        self, number: int, arrays: collections.abc.Sequence[np.ndarray]
    ) -> MomentSums:
        """What rows are turned into in a step.

        Args:
            number: Int, the step.
            arrays: `[centres, basis]`, public: what was released before.

        Returns:
            A `mixture.MomentSums`.

        Raises:
            ValueError: If there is no such step, or the arrays do not fit it.
        """
        number = validate.check_int(
            "number", number, minimum=0, maximum=len(self.mechanisms) - 1
        )
        centres, basis = arrays
        order = getattr(self.mechanisms[number], "order", 2)
        return self.plan.sums(number, centres, basis, order)

    def contribution(
        self, x: np.ndarray, y: np.ndarray
    ) -> collections.abc.Callable[..., list[np.ndarray]]:
        """What an owner hands to each step's sum.

        Args:
            x: Float array of shape `(n, *plan.shape)`, the owner's records.
            y: Int labels of shape `(n,)`.

        Returns:
            Function of a request's arrays and facts, for `flower.masked_sums` and
            `flower.encrypted_sums`, that gives a list of one vector without noise.

        Raises:
            ValueError: If the records do not fit the plan.
        """
        rows = self.plan.rows(x)
        labels = self.plan.labels(y, len(rows))

        def of_request(arrays, facts):
            return [self.sums(facts["step"], arrays).of(rows, labels)]

        return of_request


class Source(typing.Protocol):
    """Where sums of owners come from: the server's side of a mode."""

    def release(self, number: int, arrays: list[np.ndarray]) -> GroupMoments:
        """The noisy sums of one step, around what was released before."""


def joint_mixture(
    joint: JointMixture, source: Source, ledger: "Ledger | None" = None
) -> tuple[ClassMixture, HistoryEntry]:
    """Makes a mixture of sums that owners release, step by step.

    Over Flower the source is a `flower.joint_releases.HiddenSums` or `OwnSums`.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> joint = dpgan.federated.JointReports(
        ...     plan=dpgan.mixture.MixturePlan(
        ...         shape=(4, 4, 1),
        ...         num_classes=2,
        ...         rank=4,
        ...         basis="dct",
        ...         covariances="shared",
        ...     ),
        ...     kind="laplace",
        ...     epsilon=4.0,
        ... )
        >>> clients = [
        ...     (rng.uniform(-1, 1, (1, 4, 4, 1)), np.array([i % 2])) for i in range(99)
        ... ]
        >>> source = dpgan.federated.ReportsHere(joint, clients)
        >>> mixture, entry = dpgan.federated.joint_mixture(joint, source)
        >>> generator = dpgan.models.mixture_generator((4, 4, 1), mixture)

    As with `mixture.private_class_mixture`, a `DPGAN` of which a network has these very
    numbers counts them, once.

    Args:
        joint: A `JointMixture`.
        source: Such as `flower.joint_releases.HiddenSums`.
        ledger: The server's `privacy.Ledger`, in which all steps are entered before the
            first. Defaults to `None`.

    Returns:
        `(mixture, entry)`: a `mixture.ClassMixture` and the `privacy.HistoryEntry` of
        it.
    """
    entry = joint.entry
    if ledger is not None:
        ledger.spend(entry, "joint class mixture")
    mixture = fit(joint.plan, source.release)
    origins.release(entry, [mixture.means, mixture.factors], ledger)
    return mixture, entry


def joint_noise(epsilon: float, delta: float) -> float:
    """The noise multiplier by which a joint mixture of hidden sums keeps a budget.

    Examples:
        >>> round(dpgan.federated.joint_noise(epsilon=2.0, delta=1e-5), 2)
        2.15

    Args:
        epsilon: Positive float.
        delta: Float in (0, 1).

    Returns:
        Float, for `JointMixture.of_records` and `of_clients` alike.

    Raises:
        ValueError: If no noise is enough.
    """

    def history_of(noise_multiplier):
        # Steps of the grid are far below the noise: nothing is missing of a Gaussian.
        entry = HistoryEntry(
            mechanism="discrete_gaussian",
            noise_multiplier=noise_multiplier,
            excess_divergence=0.0,
            unit="client",
            count=1,
        )
        return privacy.PrivacyHistory([entry])

    epsilon = validate.check_positive("epsilon", epsilon)
    return calibration.least_noise(history_of, epsilon, validate.check_delta(delta))
