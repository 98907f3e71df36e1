"""A number of equal updates on private data."""

import dataclasses
import hashlib
import json
import math
import typing

from keras_dpgan._utils import validate

ADD_OR_REMOVE_ONE = "add_or_remove_one"
REPLACE_WITH_NULL = "replace_with_null"
REPLACE_CLIENT = "replace_client"
REPLACE_CLIENT_WITH_NULL = "replace_client_with_null"

MECHANISMS = (
    "gaussian",
    "adaptive_clip_gaussian",
    "discrete_gaussian",
    "laplace",
    "pure",
)
UNITS = ("row", "client")
# The mechanisms for which a guarantee of clients is known.
_OF_CLIENTS = ("gaussian", "discrete_gaussian", "laplace", "pure")
# Older files do not have these fields.
_NEWER = {"excess_divergence": None, "allocation_batches": None, "unit": "row"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """A number of equal discriminator updates.

    Examples:
        >>> entry = dpgan.privacy.HistoryEntry(
        ...     mechanism="gaussian",
        ...     noise_multiplier=1.0,
        ...     sampling_probability=0.01,
        ...     count=500,
        ... )
        >>> entry.is_amplified
        True
        >>> entry.with_count(1_000).count
        1000

    Args:
        mechanism: `"gaussian"`, or `"adaptive_clip_gaussian"`, which also
            releases a noisy count of the records below the clip; or
            `"discrete_gaussian"`, whose noise came with the sum, in shares of those
            who added it up (`federated.RecordSumNoise`, `SharedNoise`); or
            `"laplace"`, which a client or an owner of rows adds to its own sums
            (`federated.LaplaceUpdate`, `OwnNoise`). There is no sampling with it: of
            rows it takes `sampling_probability=1.0`; or `"pure"`, of clients alone: any
            mechanism whose epsilon is `1 / noise_multiplier` at a delta of zero
            (`federated.PrivUnit`).
        noise_multiplier: Non-negative float: the standard deviation of the
            noise on the sum, divided by `l2_norm_clip`; of a client's own noise
            the standard deviation (Laplace: the scale) divided by the most that
            two of its updates can be apart, twice the clip. Zero is legal; its
            epsilon is infinite.
        clipped_count_stddev: Non-negative float: the standard deviation of the
            noise on that count. Adaptive clipping only.
        excess_divergence: Non-negative float: by how much the noise's Renyi
            divergence, at any order, may be above that of a Gaussian. Discrete
            Gaussian noise only.
        sampling_probability: Float in (0, 1]: the probability with which each
            record enters a batch, under Poisson sampling. `None` where sampling
            is not Poisson.
        allocation_batches: Positive int, under random allocation: each row is put
            into one of so many batches by a secret draw of its own, and anew when
            each has been used (`data.AllocationDataset`). `None` for other sampling.
        max_participations: Positive int, where sampling is neither: the declared
            number of updates, of this entry, that one record can be in. `None`
            means every update.
        seeded_sampling: Whether the Poisson draws can be repeated from a seed.
            Whoever knows the seed knows the batches, so that such sampling
            amplifies nothing.
        insecure_noise: Whether the noise can be repeated from a seed.
        unit: `"row"`, or `"client"` where all that a client has is protected as
            one, as in `federated.GaussianUpdate`, `LaplaceUpdate` and
            `SharedNoise`. There is no sampling then. Defaults to `"row"`.
        count: Non-negative int: how many updates were made.
    """

    mechanism: str
    noise_multiplier: float
    clipped_count_stddev: float | None = None
    excess_divergence: float | None = None
    sampling_probability: float | None = None
    allocation_batches: int | None = None
    max_participations: int | None = None
    seeded_sampling: bool = False
    insecure_noise: bool = False
    unit: str = "row"
    count: int = 0

    def __post_init__(self):
        checked = {
            "mechanism": validate.check_choice("mechanism", self.mechanism, MECHANISMS),
            "noise_multiplier": validate.check_non_negative(
                "noise_multiplier", self.noise_multiplier
            ),
            "seeded_sampling": validate.check_bool(
                "seeded_sampling", self.seeded_sampling
            ),
            "insecure_noise": validate.check_bool(
                "insecure_noise", self.insecure_noise
            ),
            "unit": validate.check_choice("unit", self.unit, UNITS),
            "count": validate.check_int("count", self.count, minimum=0),
            **self._checked_options(),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        self._check_combination()

    def _checked_options(self):
        options = {}
        if self.clipped_count_stddev is not None:
            options["clipped_count_stddev"] = validate.check_non_negative(
                "clipped_count_stddev", self.clipped_count_stddev
            )
        if self.excess_divergence is not None:
            options["excess_divergence"] = validate.check_non_negative(
                "excess_divergence", self.excess_divergence
            )
        if self.sampling_probability is not None:
            options["sampling_probability"] = validate.check_probability(
                "sampling_probability", self.sampling_probability
            )
        if self.allocation_batches is not None:
            options["allocation_batches"] = validate.check_int(
                "allocation_batches", self.allocation_batches, minimum=1
            )
        if self.max_participations is not None:
            options["max_participations"] = validate.check_int(
                "max_participations", self.max_participations, minimum=1
            )
        return options

    def _check_combination(self):
        adaptive = self.mechanism == "adaptive_clip_gaussian"
        if adaptive != (self.clipped_count_stddev is not None):
            raise ValueError(
                "`clipped_count_stddev` must be given with "
                "mechanism='adaptive_clip_gaussian' and with no other. Received: "
                f"mechanism={self.mechanism!r}, "
                f"clipped_count_stddev={self.clipped_count_stddev}."
            )
        discrete = self.mechanism == "discrete_gaussian"
        if discrete != (self.excess_divergence is not None):
            raise ValueError(
                "`excess_divergence` must be given with "
                "mechanism='discrete_gaussian' and with no other. Received: "
                f"mechanism={self.mechanism!r}, "
                f"excess_divergence={self.excess_divergence}."
            )
        if self.unit == "client":
            self._check_client()
        elif self.mechanism == "pure":
            raise ValueError(
                "`unit` must be 'client' with mechanism='pure'. Received: "
                f"unit={self.unit!r}."
            )
        elif self.mechanism == "laplace" and self.sampling_probability != 1.0:
            raise ValueError(
                "`sampling_probability` must be 1.0 with mechanism='laplace' and "
                "unit='row'. Received: "
                f"sampling_probability={self.sampling_probability}."
            )
        poisson = self.sampling_probability is not None
        if poisson and self.max_participations is not None:
            raise ValueError(
                "`max_participations` must be None under Poisson sampling, which "
                "sets no limit. Received: "
                f"max_participations={self.max_participations}, "
                f"sampling_probability={self.sampling_probability}."
            )
        others = (self.sampling_probability, self.max_participations)
        if self.allocation_batches is not None and others != (None, None):
            raise ValueError(
                "`allocation_batches` must be None with `sampling_probability` or "
                "`max_participations`: under random allocation a row is in one batch "
                f"of each allocation. Received: sampling_probability={others[0]}, "
                f"max_participations={others[1]}, "
                f"allocation_batches={self.allocation_batches}."
            )
        if self.seeded_sampling and not poisson:
            raise ValueError(
                "`seeded_sampling` must be False unless `sampling_probability` is "
                "given: other sampling amplifies nothing, seeded or not. Received: "
                "seeded_sampling=True, sampling_probability=None."
            )

    def _check_client(self):
        sampled = (
            self.sampling_probability,
            self.allocation_batches,
            self.max_participations,
        )
        if self.mechanism not in _OF_CLIENTS or sampled != (None, None, None):
            raise ValueError(
                f"`mechanism` must be one of {_OF_CLIENTS} with unit='client', and "
                "`sampling_probability`, `allocation_batches` and `max_participations` "
                "None: who takes part is seen. Received: "
                f"mechanism={self.mechanism!r}, "
                f"sampling_probability={sampled[0]}, allocation_batches={sampled[1]}, "
                f"max_participations={sampled[2]}."
            )

    @property
    def is_amplified(self) -> bool:
        """Whether the draw of the batches is secret, and so hides a record."""
        poisson = self.sampling_probability is not None and not self.seeded_sampling
        return poisson or self.allocation_batches is not None

    @property
    def relation(self) -> str:
        """The neighboring relation that the entry's guarantee is about.

        `"add_or_remove_one"` under (secret) Poisson sampling and under random
        allocation, where each row has a draw of its own. Otherwise
        `"replace_with_null"`: one row is replaced by a null row whose gradient
        counts as zero. Taking a row out would move all later rows to other
        batches. For clients `"replace_client"`, by one with any other data, where
        each adds its noise itself; `"replace_client_with_null"`, by one whose
        update is zero, where noise comes with a sum.
        """
        if self.unit == "client":
            local = self.excess_divergence is None
            return REPLACE_CLIENT if local else REPLACE_CLIENT_WITH_NULL
        return ADD_OR_REMOVE_ONE if self.is_amplified else REPLACE_WITH_NULL

    @property
    def effective_noise_multiplier(self) -> float:
        """The noise multiplier of the one Gaussian mechanism that costs as much.

        The noisy count of adaptive clipping has sensitivity 1/2 (a record adds
        1/2 or takes it away), hence the noise multiplier
        `2 * clipped_count_stddev`; with the sum it makes one Gaussian vector.
        Source: Andrew et al. 2021, "Differentially Private Learning with
        Adaptive Clipping", theorem 1.
        """
        if self.clipped_count_stddev is None:
            return self.noise_multiplier
        of_sum, of_count = self.noise_multiplier, 2 * self.clipped_count_stddev
        if of_sum == 0 or of_count == 0:
            return 0.0
        return of_sum * of_count / math.hypot(of_sum, of_count)

    @property
    def participations(self) -> int:
        """The largest number of the updates that one record can be in.

        Under random allocation one for each that was begun: the updates of an entry
        follow one another, and the first is the first of an allocation.
        """
        if self.allocation_batches is not None:
            return -(-self.count // self.allocation_batches)
        if self.max_participations is None:
            return self.count
        return min(self.count, self.max_participations)

    @property
    def goes_on(self) -> bool:
        """Whether later updates of the same kind may be counted in the same entry.

        They may not where a row's part is bounded for the updates of one `fit`, by a
        declaration or by an allocation: it may use the bound up in each.
        """
        return self.max_participations is None and self.allocation_batches is None

    def with_count(self, count: int) -> "HistoryEntry":
        """The same entry with another number of updates."""
        return dataclasses.replace(self, count=count)

    def fingerprint(self) -> int:
        """A number that stands for everything but the count.

        Kept beside a counter of updates, it tells whether the counter belongs to
        this entry.

        Returns:
            Int in [0, 2**63), the same in every process and on every machine.
        """
        facts = self.to_dict()
        del facts["count"]
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1

    def to_dict(self) -> dict[str, typing.Any]:
        """The entry as a dict of JSON values."""
        values = dataclasses.asdict(self)
        for name, value in _NEWER.items():
            if values[name] == value:
                del values[name]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, typing.Any]) -> "HistoryEntry":
        """The entry that `to_dict` wrote.

        Raises:
            ValueError: If a key is unknown or missing, or a value is wrong.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if isinstance(values, dict):
            values = {**_NEWER, **values}
        check_keys("entry", values, names)
        return cls(**values)


def check_keys(what, values, names):
    """Raises a `ValueError` unless `values` is a dict with exactly these keys."""
    if not isinstance(values, dict):
        raise ValueError(f"`{what}` must be a dict. Received: {what}={values!r}.")
    unknown, missing = sorted(set(values) - names), sorted(names - set(values))
    if unknown or missing:
        raise ValueError(
            f"`{what}` must have the keys {sorted(names)}. Received: "
            f"unknown={unknown}, missing={missing}."
        )


def one_gaussian(noise_multiplier: float) -> HistoryEntry:
    """The entry of one Gaussian mechanism that every record takes part in."""
    return HistoryEntry(
        mechanism="gaussian",
        noise_multiplier=noise_multiplier,
        sampling_probability=1.0,
        count=1,
    )
