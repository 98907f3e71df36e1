"""Who takes part in a round, and how many may fail or collude."""

import dataclasses

from keras_dpgan._utils import validate


@dataclasses.dataclass(frozen=True)
class Cohort:
    """The numbers on which the guarantee of a sum rests, fixed before the run.

    Examples:
        >>> cohort = dpgan.federated.Cohort(10, max_dropouts=3, max_colluders=1)
        >>> cohort.num_honest
        6

    Args:
        num_clients: Int, the clients of every round.
        max_dropouts: Int, how many of them may fail in a round. Defaults to 0.
        max_colluders: Int, how many may tell the server what they know, their
            noise for one. Defaults to 0.

    Raises:
        ValueError: If so many may fail or collude that a server could open two
            sums of one round: `num_clients` must exceed `2 * max_dropouts +
            max_colluders`.
    """

    num_clients: int
    max_dropouts: int = 0
    max_colluders: int = 0

    def __post_init__(self):
        validate.check_int("num_clients", self.num_clients, minimum=2)
        validate.check_int("max_dropouts", self.max_dropouts, minimum=0)
        validate.check_int("max_colluders", self.max_colluders, minimum=0)
        if self.num_clients <= 2 * self.max_dropouts + self.max_colluders:
            raise ValueError(
                "`num_clients` must exceed `2 * max_dropouts + max_colluders`, or two "
                "sums of one round could be opened. Received: "
                f"num_clients={self.num_clients}, max_dropouts={self.max_dropouts}, "
                f"max_colluders={self.max_colluders}"
            )
        if self.num_honest < 2:
            raise ValueError(
                "At least two honest clients must remain in a round: otherwise "
                f"its sum shows the update of a single client. Received: {self}"
            )

    @property
    def threshold(self) -> int:
        """The clients without whom a round is not opened."""
        return self.num_clients - self.max_dropouts

    @property
    def num_honest(self) -> int:
        """The clients whose noise is sure to be in an opened sum, and secret."""
        return self.threshold - self.max_colluders
