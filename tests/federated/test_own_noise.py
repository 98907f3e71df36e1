"""Owners that add noise of their own to their sums."""

import functools

import dp_accounting
import grid_here
import numpy as np
import owners_here
import pytest
from dp_accounting.pld import privacy_loss_distribution

pytest.importorskip("cryptography")

from keras_dpgan import federated
from keras_dpgan import mixture
from keras_dpgan import privacy
from keras_dpgan.federated.joint_mixture import JointMixture
from keras_dpgan.federated.own_noise import OwnNoise
from keras_dpgan.federated.own_sums import by_inverse_variance

DELTA = 1e-5
SPECTRUM = mixture.MixturePlan(
    shape=(8, 8, 1), num_classes=10, rank=25, basis="dct", covariances="shared"
)
PLANS = {"gaussian": owners_here.PLAN, "laplace": SPECTRUM}
EVERY_KIND = pytest.mark.parametrize("kind", ["gaussian", "laplace"])


@EVERY_KIND
def test_a_record_moves_each_rounded_sum_by_no_more_than_is_charged(kind):
    for plan in (owners_here.SMALL, SPECTRUM):
        joint = JointMixture.of_owners(plan, kind, 1.0)
        for number, mechanism in enumerate(joint.mechanisms):
            arrays, facts = owners_here.centred_arrays(plan, number), {"step": number}

            def rounded(records, joint=joint, arrays=arrays, facts=facts):
                (vector,) = joint.contribution(*records)(arrays, facts)
                step = joint.mechanisms[facts["step"]].step
                return np.rint(vector / step)

            before, order = rounded(owners_here.owners()[2]), mechanism.order
            longest = max(
                np.linalg.norm(rounded(records) - before, ord=order)
                for records in owners_here.changed_records()
            )
            assert longest <= mechanism.sensitivity
            assert longest * mechanism.step > 0.3


@EVERY_KIND
@pytest.mark.parametrize("noise_multiplier", [0.7, 3.0])
def test_noise_has_the_scale_that_is_charged(kind, noise_multiplier):
    own = OwnNoise(kind=kind, noise_multiplier=noise_multiplier, num_parameters=40_000)
    sent = own.privatize(np.zeros(40_000))
    # At the least that of a sensitivity of one; rounding asks for 1% more at most.
    charged = noise_multiplier * (np.sqrt(2) if kind == "laplace" else 1.0)
    assert charged * 0.97 < np.std(sent) < charged * 1.05
    assert np.std(sent) == pytest.approx(own.total_noise, rel=0.03)
    # Half of the absolute values of Laplace noise are below 0.69 scales, of Gaussian
    # noise below 0.67 standard deviations.
    median = {"laplace": np.log(2), "gaussian": 0.6745}[kind]
    found = np.median(np.abs(sent)) / noise_multiplier
    assert found == pytest.approx(median, rel=0.05)


@EVERY_KIND
def test_epsilon_is_that_of_dp_accounting(kind):
    joint = JointMixture.of_owners(PLANS[kind], kind, 1.3)
    history = privacy.PrivacyHistory([joint.entry])
    assert history.unit == "row"
    found = privacy.epsilon(history, DELTA)
    scales = [mechanism.noise_multiplier for mechanism in joint.mechanisms]
    if kind == "laplace":
        assert found <= 1 / 1.3 + 1e-9
        assert sum(1 / scale for scale in scales) == pytest.approx(1 / 1.3)
        of_one = privacy_loss_distribution.from_laplace_mechanism
        expected = of_one(1.3, value_discretization_interval=1e-4)
        expected = expected.get_epsilon_for_delta(DELTA)
        assert found == pytest.approx(expected, rel=1e-3)
        steps = [of_one(s, value_discretization_interval=1e-4) for s in scales]
        one_by_one = functools.reduce(lambda a, b: a.compose(b), steps)
        assert one_by_one.get_epsilon_for_delta(DELTA) <= found * (1 + 1e-3)
        return
    accountant = dp_accounting.pld.PLDAccountant()
    for scale in scales:
        accountant.compose(dp_accounting.GaussianDpEvent(scale))
    assert found == pytest.approx(accountant.get_epsilon(DELTA), rel=1e-3)


def test_a_group_of_rows_pays_for_all_of_them():
    entry = OwnNoise(kind="laplace", noise_multiplier=4.0, num_parameters=3).entry
    history = privacy.PrivacyHistory([entry])
    one, three = (privacy.group_epsilon(history, 1e-9, size) for size in (1, 3))
    assert one == pytest.approx(0.25, rel=1e-3)
    assert three == pytest.approx(0.75, rel=1e-3)


def test_owners_who_differ_in_size_count_by_what_they_know():
    rng = np.random.default_rng(0)
    truth, sizes = np.array([0.3, -0.2]), np.array([1000, 100, 10])
    means = []
    for _ in range(300):
        parts = [
            mixture.GroupMoments(
                np.array([size], float),
                (size * truth + rng.normal(scale=20, size=2))[None],
                np.array([0.1]),
                np.array([20.0]),
            )
            for size in sizes
        ]
        together = by_inverse_variance(parts)
        means.append(together.sums[0] / together.counts[0])
    assert together.counts[0] == pytest.approx(1110, rel=1e-6)
    stated = together.noise[0] / together.counts[0]
    best = 20 / np.linalg.norm(sizes)
    assert stated == pytest.approx(best, rel=1e-3)
    assert np.std(means, axis=0) == pytest.approx([best, best], rel=0.2)
    np.testing.assert_allclose(np.mean(means, axis=0), truth, atol=4 * best / 17)


class OwnersHere:
    """Ten owners on a grid in this process."""

    def __init__(self, joint, folder, epsilon, agreed=None):
        from keras_dpgan.federated.flower import group
        from keras_dpgan.federated.flower import joint_releases

        agreed = agreed or joint

        def node(number):
            contribution = agreed.contribution(*owners_here.owners()[number])
            budget = federated.ClientBudget(
                folder / f"{number}.ledger", f"owner {number}", epsilon, DELTA
            )

            def answer(action, content):
                del action
                return joint_releases.answer_own_sum(
                    content, agreed, contribution, budget
                )

            return answer

        grid = grid_here.GridHere(map(node, range(owners_here.NUM_OWNERS)))
        self.grid = grid
        self.group = group.ClientGroup(grid, owners_here.NUM_OWNERS, 0.3)
        self.source = joint_releases.OwnSums(joint, self.group, min_owners=7)


@pytest.mark.parametrize(
    ("kind", "noise_multiplier", "epsilon", "least"),
    [("gaussian", 0.635, 8.0, 0.85), ("laplace", 1 / 4, 4.0, 0.8)],
)
def test_digits_of_ten_owners_are_worth_having(
    kind, noise_multiplier, epsilon, least, tmp_path
):
    pytest.importorskip("flwr")
    from keras_dpgan.federated.flower import joint_releases

    joint = JointMixture.of_owners(PLANS[kind], kind, noise_multiplier)
    assert privacy.epsilon(privacy.PrivacyHistory([joint.entry]), DELTA) <= epsilon
    scores = []
    for place in range(2):
        folder = tmp_path / str(place)
        folder.mkdir()
        here = OwnersHere(joint, folder, epsilon=epsilon)
        # Three drop out of the run.
        if place:
            for number in range(3):
                here.grid.tamper[100 + number, joint_releases.OWN_SUM] = (
                    grid_here.drop_out
                )
        found, entry = federated.joint_mixture(joint, here.source)
        scores.append(owners_here.accuracy(found))
        paid = privacy.Ledger.read(folder / "5.ledger").history()
        assert privacy.epsilon(paid, DELTA) <= epsilon
        assert sum(run.count for run in paid.entries) == len(joint.mechanisms)
    assert min(scores) > least
    assert entry.unit == "row"


def test_an_owner_answers_no_less_noise_and_no_more_often_than_its_limit(tmp_path):
    pytest.importorskip("flwr")
    from keras_dpgan.federated.flower import joint_releases

    joint = JointMixture.of_owners(SPECTRUM, "laplace", 1.0)
    cheaper = JointMixture.of_owners(SPECTRUM, "laplace", 0.1)
    here = OwnersHere(cheaper, tmp_path, epsilon=1.5, agreed=joint)
    with pytest.raises(joint_releases.NotOpenedError, match="0 owners"):
        federated.joint_mixture(cheaper, here.source)
    assert not any(tmp_path.iterdir())
    here = OwnersHere(joint, tmp_path, epsilon=1.5)
    federated.joint_mixture(joint, here.source)
    again = OwnersHere(joint, tmp_path, epsilon=1.5)
    with pytest.raises(joint_releases.NotOpenedError):
        # Some steps may still be within the limit; all of them are not.
        federated.joint_mixture(joint, again.source)
    assert again.group.num_abstentions == owners_here.NUM_OWNERS


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match="`kind` must be"):
        JointMixture.of_owners(SPECTRUM, "cauchy", 1.0)
    own = OwnNoise(kind="laplace", noise_multiplier=1.0, num_parameters=3)
    for vector in (np.zeros(4), np.array([0.0, np.nan, 0.0])):
        with pytest.raises(ValueError, match="`vector` must have 3 finite numbers"):
            own.privatize(vector)
    with pytest.raises(ValueError, match='`components` must be 1 and `basis` "dct"'):
        mixture.MixturePlan(shape=(8, 8), num_classes=2, covariances="shared")
