"""A mixture of what many clients report, each of which nobody else protects."""

import dataclasses

import numpy as np

from keras_dpgan._utils import validate
from keras_dpgan.federated.laplace_update import LaplaceUpdate
from keras_dpgan.federated.priv_unit import PrivUnit
from keras_dpgan.mixture import GroupMoments
from keras_dpgan.mixture import MixturePlan
from keras_dpgan.mixture import MomentSums
from keras_dpgan.privacy.history_entry import HistoryEntry

KINDS = ("laplace", "priv_unit")


@dataclasses.dataclass(frozen=True, kw_only=True)
class JointReports:
    """What clients and server agree upon before clients report.

    The unit is a client, whose data are replaced by any others. Each client takes part
    in one step of the plan, which its public number says, and spends its epsilon there:
    that is what the mixture costs. Estimates are unbiased.

    Examples:
        >>> plan = dpgan.mixture.MixturePlan(
        ...     shape=(8, 8, 1), num_classes=10, rank=16, basis="dct",
        ...     covariances="shared",
        ... )
        >>> reports = dpgan.federated.JointReports(
        ...     plan=plan, kind="priv_unit", epsilon=4.0
        ... )
        >>> [reports.step_of(client) for client in (0, 1, 10)]
        [0, 1, 2]

    Args:
        plan: A `mixture.MixturePlan` with `covariances="shared"`.
        kind: `"laplace"`, for clients with any number of records, whose sum is clipped
            and noised (`LaplaceUpdate`); or `"priv_unit"` (`PrivUnit`), for clients
            with one record each. A client that has more takes one at random.
        epsilon: Positive float.

    Raises:
        ValueError: If an argument does not fit.
    """

    plan: MixturePlan
    kind: str
    epsilon: float

    def __post_init__(self):
        validate.check_choice("kind", self.kind, KINDS)
        validate.check_positive("epsilon", self.epsilon)
        if self.plan.covariances != "shared":
            raise ValueError(
                '`plan` must have covariances="shared": a label\'s own are lost in the '
                f"noise of single clients. Received: {self.plan.covariances!r}"
            )

    @property
    def entry(self) -> HistoryEntry:
        """What a report costs, and so the mixture, a `privacy.HistoryEntry`."""
        if self.kind == "laplace":
            return self._laplace.entry
        return PrivUnit(epsilon=self.epsilon, dim=1).entry

    @property
    def _laplace(self):
        # Two clipped sums are up to twice the clip apart.
        return LaplaceUpdate(1.0, noise_multiplier=2.0 / self.epsilon)

    def _randomizer(self, sums):
        """Of a step: where all rows are one group there are no labels to hide."""
        return PrivUnit(
            epsilon=self.epsilon,
            dim=sums.centres.shape[2],
            num_labels=sums.num_groups,
        )

    def step_of(self, client: int) -> int:
        """The step in which a client takes part, by its public number."""
        edges = np.cumsum([step.share for step in self.plan.steps])
        return int(np.searchsorted(edges, (client % 20 + 0.5) / 20))

    def _sums(self, number, arrays) -> MomentSums:
        centres, basis = arrays
        order = 1 if self.kind == "laplace" else 2
        return self.plan.sums(number, centres, basis, order)

    def report(self, number: int, arrays: list, x: np.ndarray, y: np.ndarray) -> list:
        """What one client sends in its step.

        Args:
            number: Int, the step.
            arrays: `[centres, basis]`, public: what was released before.
            x: Float array of shape `(n, *plan.shape)`, the client's records.
            y: Int labels of shape `(n,)`.

        Returns:
            List of arrays with a first axis of one.
        """
        return self.reports(number, arrays, [(x, y)])

    def reports(self, number: int, arrays: list, clients: list) -> list:
        """What many clients send who run in one process, each as if alone.

        Args:
            number: Int, the step.
            arrays: As in `report`.
            clients: List of pairs `(x, y)`, one for each client.

        Returns:
            List of arrays, whose first axis is that of the clients.

        Raises:
            ValueError: If a client's records do not fit the plan.
        """
        sums = self._sums(number, arrays)
        if self.kind == "laplace":
            own = [
                sums.of(self.plan.rows(x), self.plan.labels(y, len(x)))
                for x, y in clients
            ]
            noised = [self._laplace.privatize([vector])[0] for vector in own]
            return [np.reshape(noised, (len(clients), sums.size))]
        chosen = [_one_of(x, y) for x, y in clients]
        x = np.stack([row for row, _ in chosen])
        y = np.array([label for _, label in chosen])
        rows, labels = self.plan.rows(x), self.plan.labels(y, len(y))
        return list(self._randomizer(sums).reports(*sums.each(rows, labels)))

    def read(self, number: int, arrays: list, reports: list) -> GroupMoments:
        """What all reports of a step say together.

        Args:
            number: Int, the step.
            arrays: As in `report`.
            reports: List of arrays, whose first axis is that of the clients: what
                `reports` gives, joined.

        Returns:
            A `mixture.GroupMoments`.
        """
        sums = self._sums(number, arrays)
        if self.kind == "laplace":
            (vectors,) = reports
            step = LaplaceUpdate.grid_step(1.0, sums.size)
            scale = self._laplace.noise_multiplier * (1 + step * sums.size / 2)
            return sums.read(
                vectors.sum(axis=0), np.sqrt(2 * max(len(vectors), 1)) * scale
            )
        counts, found, count_noise, noise = self._randomizer(sums).sums(*reports)
        scale = sums.radius**sums.degree
        return GroupMoments(counts, scale * found, count_noise, scale * noise)


def _one_of(x, y):
    """One of a client's records, at random; its own choice, which nobody sees."""
    if len(x) == 1:
        return x[0], y[0]
    place = np.random.default_rng().integers(len(x))
    return x[place], y[place]


class ReportsHere:
    """The source of `joint_mixture` for clients in this process, thousands at a time.

    Each client reports by itself, with randomness of its own, and is asked once.

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
        ...     kind="priv_unit",
        ...     epsilon=4.0,
        ... )
        >>> clients = [
        ...     (rng.uniform(-1, 1, (1, 4, 4, 1)), np.array([i % 2])) for i in range(99)
        ... ]
        >>> source = dpgan.federated.ReportsHere(joint, clients)
        >>> mixture, entry = dpgan.federated.joint_mixture(joint, source)
        >>> mixture.means.shape, entry.unit
        ((2, 1, 16), 'client')

    Args:
        joint: A `JointReports`.
        clients: List of pairs `(x, y)`, one for each client.
        at_once: Int, the clients whose reports are made together. Defaults to 4096.
    """

    def __init__(self, joint: JointReports, clients: list, at_once: int = 4096) -> None:
        self._joint = joint
        self._at_once = validate.check_int("at_once", at_once, minimum=1)
        self._of_step: list = [[] for _ in joint.plan.steps]
        for number, client in enumerate(clients):
            self._of_step[joint.step_of(number)].append(client)

    def release(self, number: int, arrays: list) -> GroupMoments:
        """One step; see `joint_mixture`."""
        mine = self._of_step[number]
        parts = [
            self._joint.reports(number, arrays, mine[first : first + self._at_once])
            for first in range(0, len(mine), self._at_once)
        ]
        joined = [np.concatenate(part) for part in zip(*parts, strict=True)]
        return self._joint.read(number, arrays, joined)
