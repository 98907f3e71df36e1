"""What mixtures are worth that owners release together, on the digits.

    python benchmarks/joint_releases.py

Ten owners with unequal shares of each class add their sums up in this process: with the
noise and the rounding of `federated`, and without its messages. The table goes to the
screen: how many of the real test digits a logistic regression gets right that has seen
4,000 generated ones, the mean of three draws.
"""

import dataclasses

import numpy as np

import keras_dpgan as dpgan
from keras_dpgan import evaluation
from keras_dpgan import federated
from keras_dpgan import mixture
from keras_dpgan.federated.own_sums import by_inverse_variance

DELTA = 1e-5
EPSILONS = (1.0, 2.0, 4.0, 8.0)
NUM_OWNERS, MAX_RECORDS, DRAWS = 10, 500, 3
PLAN = mixture.MixturePlan(shape=(8, 8, 1), num_classes=10)
SPECTRUM = mixture.MixturePlan(
    shape=(8, 8, 1), num_classes=10, rank=25, basis="dct", covariances="shared"
)


@dataclasses.dataclass
class HiddenHere:
    """A source of `joint_mixture`: the sums of owners, each with its share of noise."""

    joint: federated.JointMixture
    owners: list

    def release(self, number, arrays):
        mechanism = self.joint.mechanisms[number]
        sums = self.joint.sums(number, arrays)
        shapes = [np.zeros(sums.size)]
        answers = [own(arrays, {"step": number}) for own in self.owners]
        total = sum(mechanism.privatize(answer) for answer in answers)
        (vector,) = mechanism.open(total, shapes)
        return sums.read(vector, mechanism.total_noise)


class OwnHere(HiddenHere):
    """The same where each owner adds all of the noise to its own sums."""

    def release(self, number, arrays):
        mechanism = self.joint.mechanisms[number]
        sums = self.joint.sums(number, arrays)
        parts = [
            sums.read(
                mechanism.privatize(own(arrays, {"step": number})[0]),
                mechanism.total_noise,
            )
            for own in self.owners
        ]
        return by_inverse_variance(parts)


def hidden(max_dropouts, max_colluders):
    """A function from epsilon to a `JointMixture` and the class of its source."""
    cohort = federated.Cohort(NUM_OWNERS, max_dropouts, max_colluders)

    def of_epsilon(epsilon):
        noise = federated.joint_noise(epsilon=epsilon, delta=DELTA)
        joint = federated.JointMixture.of_records(PLAN, cohort, noise, MAX_RECORDS)
        return joint, HiddenHere

    return of_epsilon


def gaussian(epsilon):
    """Owners whose own noise is Gaussian."""
    noise = federated.joint_noise(epsilon=epsilon, delta=DELTA)
    return federated.JointMixture.of_owners(PLAN, "gaussian", noise), OwnHere


def laplace(epsilon):
    """Owners whose own noise is Laplace, at a delta of zero."""
    joint = federated.JointMixture.of_owners(SPECTRUM, "laplace", 1 / epsilon)
    return joint, OwnHere


MODES = {
    "hidden sums": hidden(0, 0),
    "hidden sums, 3 may drop out and 1 collude": hidden(3, 1),
    "Gaussian noise of their own": gaussian,
    "Laplace noise of their own": laplace,
}


def owners_of(x, y):
    """Unequal shares of each class."""
    rng = np.random.RandomState(0)
    owner = np.zeros(len(y), int)
    for label, share in enumerate(rng.dirichlet(np.ones(NUM_OWNERS), 10)):
        (mine,) = np.nonzero(y == label)
        edges = (np.cumsum(share)[:-1] * len(mine)).round().astype(int)
        owner[mine] = np.searchsorted(edges, np.arange(len(mine)), side="right")
    return [(x[owner == i], y[owner == i]) for i in range(NUM_OWNERS)]


def accuracy(found, test):
    """Of a classifier of what a mixture gives, on real rows."""
    labels = np.arange(4000) % 10
    images = np.clip(found.sample(labels, seed=0), -1, 1).reshape(-1, 8, 8, 1)
    return evaluation.classifier_accuracy(
        images, labels, *test, classifier="logistic_regression"
    )


def main():
    train, test = dpgan.data.load_digits()
    print("| epsilon | " + " | ".join(f"{e:g}" for e in EPSILONS) + " |")
    print("| --- |" + " --- |" * len(EPSILONS))
    for name, mode in MODES.items():
        scores = []
        for epsilon in EPSILONS:
            joint, source = mode(epsilon)
            owners = [joint.contribution(*own) for own in owners_of(*train)]
            found = [
                federated.joint_mixture(joint, source(joint, owners))[0]
                for _ in range(DRAWS)
            ]
            scores.append(np.mean([accuracy(each, test) for each in found]))
        row = " | ".join(f"{100 * score:.0f}%" for score in scores)
        print(f"| {name} | {row} |", flush=True)


if __name__ == "__main__":
    main()
