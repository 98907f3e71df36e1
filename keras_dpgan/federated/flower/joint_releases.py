"""Releases that clients make together over Flower: a few sums, not many rounds."""

import numpy as np

from keras_dpgan.federated.flower import messages


class NotOpenedError(RuntimeError):
    """A sum could not be opened: too few clients have answered."""


class HiddenSums:
    """The source of `joint_mixture` where the server sees each step's sum alone.

    Each step is one round of masked or encrypted sums.

    ```python
    flower = dpgan.federated.flower

    def sums_by(mechanism):
        return flower.masked_sums.MaskedSums(group, mechanism)

    source = flower.joint_releases.HiddenSums(joint, sums_by)
    mixture, entry = dpgan.federated.joint_mixture(joint, source)
    ```

    Args:
        joint: A `JointMixture`, by `of_records` or `of_clients`.
        sums_by: Function of a mechanism, which gives the `MaskedSums` or
            `EncryptedSums` of it.
        first_round: Int, the number of the first round. Clients answer no number twice:
            it must be above those of earlier rounds. Defaults to 0.
    """

    def __init__(self, joint, sums_by, first_round=0):
        self._joint, self._sums_by, self._first_round = joint, sums_by, first_round

    def release(self, number, sums):
        """One step; see `joint_mixture`.

        Raises:
            NotOpenedError: If too few clients have answered. What they have paid is
                spent.
        """
        mechanism = self._joint.mechanisms[number]
        total = self._sums_by(mechanism).total(
            self._first_round + number, [sums.centres, sums.basis], step=number
        )
        if total is None:
            raise NotOpenedError(
                f"The sum of step {number} of {len(self._joint.mechanisms)} was not "
                f"opened: fewer than {mechanism.cohort.threshold} clients answered "
                "in time. Ask again when they are there, with a larger `first_round`; "
                "what clients have paid so far is spent."
            )
        (vector,) = mechanism.open(total, [np.zeros(sums.size)])
        return sums.read(vector, mechanism.total_noise)


class OneStep:
    """A client's part in one step: which it is asked for, and what it may pay.

    ```python
    step = dpgan.federated.flower.joint_releases.OneStep(content, joint, budget)
    client = MaskedSumClient(state, step.mechanism)
    client.answer_update(content, joint.contribution(x, y), step)
    ```

    It is its own budget: a `ClientBudget` pays what the step costs, before anything
    leaves.

    Args:
        content: The content of the request.
        joint: The `JointMixture` that the client has agreed to, from its own settings.
        budget: The client's `ClientBudget`, its own limit.

    Attributes:
        mechanism: What noises the step's vector.
    """

    def __init__(self, content, joint, budget):
        _, facts = messages.read(content)
        number = facts.get("step")
        if number not in range(len(joint.mechanisms)):
            raise messages.InvalidMessageError("wrong step")
        self.mechanism = joint.mechanisms[number]
        self._budget = budget

    def pay(self):
        """Enters the step in the client's ledger, if its limit allows it."""
        return self._budget.pay(self.mechanism.entry.with_count(1))
