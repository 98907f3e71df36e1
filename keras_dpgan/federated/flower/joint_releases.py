"""Releases that clients make together, over Flower: few sums, not many rounds."""

import numpy as np

from keras_dpgan._utils import validate
from keras_dpgan.federated import own_sums
from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.flower.client_updates import check_mechanism

OWN_SUM = "train.own_sum"


class NotOpenedError(RuntimeError):
    """A sum could not be opened: too few clients have answered."""


class HiddenSums:
    """The source of `joint_mixture` where the server sees each step's sum alone.

    Each step is one round of masked or encrypted sums.

    ```python
    flower = dpgan.federated.flower

    def sums_by(mechanism):
        return flower.masked_sums.MaskedSums(group, mechanism, registry)

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

    def release(self, number, arrays):
        """One step; see `joint_mixture`.

        Raises:
            NotOpenedError: If too few clients have answered. What they have paid is
                spent.
        """
        mechanism = self._joint.mechanisms[number]
        total = self._sums_by(mechanism).total(
            self._first_round + number, arrays, step=number
        )
        if total is None:
            raise NotOpenedError(
                f"The sum of step {number} of {len(self._joint.mechanisms)} was not "
                f"opened: fewer than {mechanism.cohort.threshold} clients have "
                "answered in time. Ask again when they are there, with a larger "
                "`first_round`; what clients have paid so far is spent."
            )
        sums = self._joint.sums(number, arrays)
        (vector,) = mechanism.open(total, [np.zeros(sums.size)])
        return sums.read(vector, mechanism.total_noise)


class OwnSums:
    """The source of `joint_mixture` where each owner has added noise of its own.

    Sums of owners who differ in size are put together by the inverse variance of what
    they say.

    Args:
        joint: A `JointMixture`, by `of_owners`.
        group: A `ClientGroup`.
        min_owners: Int, the fewest answers of which a step is made. Defaults to 1.
    """

    def __init__(self, joint, group, min_owners=1):
        self._joint, self._group = joint, group
        self._min_owners = validate.check_int("min_owners", min_owners, minimum=1)

    def release(self, number, arrays):
        """One step; see `joint_mixture`.

        Raises:
            NotOpenedError: If fewer than `min_owners` have answered.
        """
        sums = self._joint.sums(number, arrays)
        mechanism = self._joint.mechanisms[number]
        facts = {"step": number, "model_hash": messages.model_hash(arrays)}
        text = messages.mechanism_text(mechanism)
        request = messages.write(arrays, mechanism=text, **facts)
        form = messages.Form([(sums.size,)], np.float64, facts)
        answers = self._group.answers(OWN_SUM, request, lambda node: form)
        parts = [sums.read(vector, mechanism.total_noise) for _, (vector,) in answers]
        if len(parts) < self._min_owners:
            raise NotOpenedError(
                f"{len(parts)} owners have answered in step {number}, fewer than "
                f"`min_owners={self._min_owners}`. What they have paid is spent."
            )
        return own_sums.by_inverse_variance(parts)


def answer_own_sum(content, joint, contribution, budget):
    """What an owner answers to `OWN_SUM`: its own sum, with noise of its own.

    Args:
        content: The content of the request.
        joint: The `JointMixture` that the owner has agreed to, from its own settings.
        contribution: What `joint.contribution` gives for the owner's records.
        budget: The owner's `ClientBudget`, its own limit.

    Returns:
        The content of the reply.
    """
    arrays, facts = messages.read(content)
    messages.check_hash(arrays, facts)
    step = OneStep(content, joint, budget)
    check_mechanism(facts, step.mechanism)
    (vector,) = contribution(arrays, facts)
    if not step.pay():
        return messages.abstention()
    noised = step.mechanism.privatize(vector)
    return messages.write([noised], step=facts["step"], model_hash=facts["model_hash"])


class OneStep:
    """A client's part in one step: which it is asked for, and what it may pay.

    ```python
    step = dpgan.federated.flower.joint_releases.OneStep(content, joint, budget)
    client = MaskedSumClient(state, step.mechanism, signing_key, registry)
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
