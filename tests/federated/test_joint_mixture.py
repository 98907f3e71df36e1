"""Mixtures that owners release together equal those of all records in one place."""

import dp_accounting
import grid_here
import numpy as np
import owners_here
import pytest
from dp_accounting import rdp

pytest.importorskip("cryptography")

from keras_dpgan import DPGAN
from keras_dpgan import federated
from keras_dpgan import mixture
from keras_dpgan import models
from keras_dpgan import privacy
from keras_dpgan.federated.cohort import Cohort
from keras_dpgan.federated.joint_mixture import JointMixture
from keras_dpgan.mixture.fitting import fit

DELTA = 1e-5


def of_records(plan=owners_here.SMALL, noise_multiplier=2.2, **options):
    return JointMixture.of_records(
        plan, owners_here.COHORT, noise_multiplier, owners_here.MAX_RECORDS, **options
    )


class AddedUpHere:
    """The sums of owners in this process, with noise that can be said in advance."""

    def __init__(self, joint, noise_of):
        self._joint, self._noise_of = joint, noise_of
        self._owners = [joint.contribution(*own) for own in owners_here.owners()]

    def release(self, number, arrays):
        sums, facts = self._joint.sums(number, arrays), {"step": number}
        (total,) = np.sum([own(arrays, facts) for own in self._owners], axis=0)
        noise = self._joint.mechanisms[number].total_noise
        return sums.read(total + self._noise_of(number, sums.size), noise)


def fit_in_one_place(joint, noise_of):
    rows, labels = (
        joint.plan.rows(owners_here.everyones()[0]),
        owners_here.everyones()[1],
    )

    def release(number, arrays):
        sums = joint.sums(number, arrays)
        vector = sums.of(rows, labels) + noise_of(number, sums.size)
        return sums.read(vector, joint.mechanisms[number].total_noise)

    return fit(joint.plan, release)


def noise_like(joint):
    def noise_of(number, size):
        rng = np.random.default_rng(number)
        return joint.mechanisms[number].total_noise * rng.standard_normal(size)

    return noise_of


@pytest.mark.parametrize("components", [1, 2])
@pytest.mark.parametrize("basis", ["private", "dct"])
def test_it_is_the_mixture_of_all_records_in_one_place(basis, components):
    plan = mixture.MixturePlan(
        shape=(8, 8, 1), num_classes=10, rank=12, basis=basis, components=components
    )
    joint = of_records(plan)
    together, _ = federated.joint_mixture(joint, AddedUpHere(joint, noise_like(joint)))
    in_one_place = fit_in_one_place(joint, noise_like(joint))
    for name in ("weights", "means", "factors"):
        found, expected = getattr(together, name), getattr(in_one_place, name)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_it_is_that_of_one_place_by_the_public_function(monkeypatch):
    """The same code: the function that has all records reads the same sums."""
    joint = of_records(noise_multiplier=1.5)
    noise = {number: noise_like(joint)(number, size) for number, size in sizes(joint)}
    read, seen = mixture.MomentSums.read, []

    def read_with_known_noise(sums, vector, deviation):
        seen.append(deviation)
        exact = sums.of(
            joint.plan.rows(owners_here.everyones()[0]), owners_here.everyones()[1]
        )
        known = exact + noise[len(seen) - 1]
        return read(sums, known, joint.mechanisms[len(seen) - 1].total_noise)

    with monkeypatch.context() as patch:
        patch.setattr(mixture.MomentSums, "read", read_with_known_noise)
        here, _ = mixture.private_class_mixture(
            *owners_here.everyones(), 10, noise_multiplier=1.5, rank=9, basis="dct"
        )
    together, _ = federated.joint_mixture(
        joint, AddedUpHere(joint, lambda number, size: noise[number])
    )
    # In units of the clip of a record both have the noise of the steps' shares.
    shares = [step.share for step in owners_here.SMALL.steps]
    np.testing.assert_allclose(seen, 1.5 / np.sqrt(shares))
    np.testing.assert_allclose(together.means, here.means, atol=1e-5)
    np.testing.assert_allclose(together.factors, here.factors, atol=1e-5)


def sizes(joint):
    return enumerate(joint.plan.sizes)


@pytest.mark.parametrize("components", [1, 2])
def test_a_record_moves_each_rounded_sum_by_no_more_than_is_charged(components):
    plan = mixture.MixturePlan(
        shape=(8, 8, 1), num_classes=10, rank=6, components=components
    )
    # Coarse, so that rounding matters.
    joint = of_records(plan, growth=0.5)
    for number, mechanism in enumerate(joint.mechanisms):
        arrays, facts = owners_here.centred_arrays(plan, number), {"step": number}
        before = mechanism.integers(
            joint.contribution(*owners_here.owners()[2])(arrays, facts)
        )
        longest = 0.0
        for records in owners_here.changed_records():
            after = mechanism.integers(joint.contribution(*records)(arrays, facts))
            longest = max(longest, np.linalg.norm(after - before))
        assert longest <= mechanism.sensitivity
        # The clip binds: a wrong one would be seen.
        assert longest * mechanism.step > 0.9


@pytest.mark.parametrize("components", [1, 2])
def test_a_client_moves_each_rounded_sum_by_no_more_than_is_charged(components):
    plan = mixture.MixturePlan(
        shape=(8, 8, 1), num_classes=10, rank=6, components=components
    )
    joint = JointMixture.of_clients(
        plan, owners_here.COHORT, 2.2, max_records=10, growth=0.5
    )
    x, y = owners_here.owners()[2]
    many = np.concatenate([x] * 20), np.concatenate([y] * 20)
    for number, mechanism in enumerate(joint.mechanisms):
        arrays, facts = owners_here.centred_arrays(plan, number), {"step": number}
        for records in (many, *owners_here.changed_records()):
            whole = mechanism.integers(joint.contribution(*records)(arrays, facts))
            assert np.linalg.norm(whole) <= mechanism.sensitivity
        assert np.linalg.norm(mechanism.step * whole) > 0.9 * mechanism.l2_norm_clip


@pytest.mark.parametrize("unit", ["record", "client"])
def test_epsilon_is_that_of_dp_accounting(unit):
    if unit == "record":
        joint = of_records(noise_multiplier=1.3)
    else:
        joint = JointMixture.of_clients(
            owners_here.SMALL, owners_here.COHORT, 1.3, max_records=4
        )
    accountant = rdp.RdpAccountant()
    for mechanism in joint.mechanisms:
        accountant.compose(dp_accounting.GaussianDpEvent(mechanism.noise_multiplier))
    history = privacy.PrivacyHistory([joint.entry])
    assert history.unit == ("row" if unit == "record" else "client")
    expected = accountant.get_epsilon(DELTA)
    # What discrete noise lacks of a Gaussian is next to nothing, but not nothing.
    found = privacy.epsilon(history, DELTA)
    assert expected * (1 - 1e-9) <= found <= expected * 1.001 + 1e-6
    one_by_one = privacy.PrivacyHistory(m.entry.with_count(1) for m in joint.mechanisms)
    assert found == pytest.approx(privacy.epsilon(one_by_one, DELTA), rel=1e-9)


def test_shares_of_noise_are_whole_where_some_drop_out_and_collude():
    joint = of_records(noise_multiplier=1.0)
    for mechanism, step in zip(joint.mechanisms, owners_here.SMALL.steps, strict=True):
        honest = owners_here.NUM_OWNERS - owners_here.DROPPED - 1
        size = mechanism.num_parameters
        zeros = [np.zeros(size)]
        total = sum(mechanism.privatize(zeros) for _ in range(honest))
        (opened,) = mechanism.open(total, zeros)
        # Of a sensitivity of one, and of what rounding adds to it.
        expected = (1 / np.sqrt(step.share)) * mechanism.sensitivity * mechanism.step
        expected_within = pytest.approx(expected, rel=4 / np.sqrt(size))
        assert np.std(opened) == expected_within


@pytest.mark.parametrize(("epsilon", "least"), [(2.0, 0.85), (4.0, 0.92)])
def test_digits_of_ten_owners_are_worth_having(epsilon, least):
    noise_multiplier = federated.joint_noise(epsilon, DELTA)
    joint = JointMixture.of_records(
        owners_here.PLAN,
        Cohort(owners_here.NUM_OWNERS),
        noise_multiplier,
        owners_here.MAX_RECORDS,
    )
    history = privacy.PrivacyHistory([joint.entry])
    assert privacy.epsilon(history, DELTA) == pytest.approx(epsilon, rel=2e-3)
    scores = []
    for seed in range(3):
        rng = np.random.default_rng(seed)

        def noise_of(number, size, rng=rng):
            return joint.mechanisms[number].total_noise * rng.standard_normal(size)

        found, _ = federated.joint_mixture(joint, AddedUpHere(joint, noise_of))
        scores.append(owners_here.accuracy(found))
    assert np.mean(scores) > least


def test_a_model_counts_what_the_mixture_has_cost(tmp_path):
    joint = of_records()
    with privacy.Ledger(tmp_path / "ledger", data_name="digits") as ledger:
        found, entry = federated.joint_mixture(
            joint, AddedUpHere(joint, noise_like(joint)), ledger
        )
        assert [run.entry for run in ledger.runs] == [entry]
    assert entry.mechanism == "discrete_gaussian"
    assert entry.noise_multiplier == pytest.approx(2.2)
    gan = DPGAN(
        models.image_discriminator((8, 8, 1), num_classes=10, width=4),
        models.mixture_generator((8, 8, 1), found, width=4),
    )
    assert gan.privacy_history.entries == (entry,)


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match="`mechanisms` must be one for each step"):
        JointMixture(
            plan=owners_here.PLAN, mechanisms=of_records(owners_here.SMALL).mechanisms
        )
    with pytest.raises(ValueError, match="`max_records` must be"):
        JointMixture.of_records(owners_here.SMALL, owners_here.COHORT, 1.0, 0)
    joint = of_records()
    with pytest.raises(ValueError, match="`x` must have rows of shape"):
        joint.contribution(np.zeros((3, 64)), np.zeros(3, int))
    with pytest.raises(ValueError, match=r"`y` must lie in \[0, 10\)"):
        joint.contribution(np.zeros((3, 8, 8, 1)), np.array([0, 1, 10]))
    with pytest.raises(ValueError, match="`number` must be"):
        joint.sums(4, owners_here.centred_arrays(owners_here.SMALL, 3))
    with pytest.raises(ValueError, match="must have the shapes"):
        joint.sums(2, owners_here.centred_arrays(owners_here.PLAN, 2))


# Over messages.


class Owners:
    """Ten owners on a grid in this process, with their own ledgers and limits."""

    def __init__(self, joint, folder, epsilon=3.0, agreed=None):
        from flwr.app import RecordDict

        from keras_dpgan.federated import signatures
        from keras_dpgan.federated.flower import group
        from keras_dpgan.federated.flower import joint_releases
        from keras_dpgan.federated.flower import masked_sums

        agreed, all_owners = agreed or joint, owners_here.owners()
        keys = [signatures.new_signing_key() for _ in all_owners]
        registry = signatures.Registry(map(signatures.verifying_key, keys))

        def node(number):
            state, contribution = RecordDict(), agreed.contribution(*all_owners[number])
            budget = federated.ClientBudget(
                folder / f"{number}.ledger", f"owner {number}", epsilon, DELTA
            )

            def answer(action, content):
                if action == masked_sums.UPDATE:
                    step = joint_releases.OneStep(content, agreed, budget)
                    client = masked_sums.MaskedSumClient(
                        state, step.mechanism, keys[number], registry
                    )
                    return client.answer_update(content, contribution, step)
                client = masked_sums.MaskedSumClient(
                    state, agreed.mechanisms[0], keys[number], registry
                )
                name = action.removeprefix("train.masked_")
                return getattr(client, f"answer_{name}")(content)

            return answer

        self.grid = grid_here.GridHere(map(node, range(owners_here.NUM_OWNERS)))
        clients = group.ClientGroup(self.grid, owners_here.NUM_OWNERS, 0.3)
        self.source = joint_releases.HiddenSums(
            joint,
            lambda mechanism: masked_sums.MaskedSums(clients, mechanism, registry),
        )
        self.group = clients


def test_masked_sums_make_it_and_every_owner_has_paid(tmp_path):
    pytest.importorskip("flwr")
    joint = of_records(owners_here.PLAN, 1.4)
    here = Owners(joint, tmp_path, epsilon=4.0)
    found, entry = federated.joint_mixture(joint, here.source)
    assert owners_here.accuracy(found) > 0.8
    for number in range(owners_here.NUM_OWNERS):
        history = privacy.Ledger.read(tmp_path / f"{number}.ledger").history()
        paid = privacy.epsilon(history, DELTA)
        assert paid == pytest.approx(
            privacy.epsilon(privacy.PrivacyHistory([entry]), DELTA), rel=1e-9
        )


def test_owners_drop_out_of_every_step(tmp_path):
    pytest.importorskip("flwr")
    from keras_dpgan.federated.flower import masked_sums

    for action in (masked_sums.KEYS, masked_sums.UPDATE, masked_sums.REVEAL):
        joint = of_records()
        folder = tmp_path / action
        folder.mkdir()
        here = Owners(joint, folder)
        for number in range(owners_here.DROPPED):
            here.grid.tamper[100 + number, action] = grid_here.drop_out
        found, _ = federated.joint_mixture(joint, here.source)
        assert np.isfinite(found.factors).all()


def test_a_step_that_too_few_answer_says_so(tmp_path):
    pytest.importorskip("flwr")
    from keras_dpgan.federated.flower import joint_releases
    from keras_dpgan.federated.flower import masked_sums

    joint = of_records()
    here = Owners(joint, tmp_path)
    for number in range(owners_here.DROPPED + 1):
        here.grid.tamper[100 + number, masked_sums.UPDATE] = grid_here.drop_out
    with pytest.raises(joint_releases.NotOpenedError, match="fewer than 7 clients"):
        federated.joint_mixture(joint, here.source)


def test_an_owner_answers_no_less_noise_and_no_more_often_than_its_limit(tmp_path):
    pytest.importorskip("flwr")
    from keras_dpgan.federated.flower import joint_releases

    joint = of_records()
    cheaper = of_records(noise_multiplier=1.0)
    here = Owners(cheaper, tmp_path, agreed=joint)
    with pytest.raises(joint_releases.NotOpenedError):
        federated.joint_mixture(cheaper, here.source)
    assert here.group.num_left_out["error"] == owners_here.NUM_OWNERS
    assert not any(tmp_path.iterdir())
    here = Owners(joint, tmp_path, epsilon=2.5)
    federated.joint_mixture(joint, here.source)
    again = Owners(joint, tmp_path, epsilon=2.5)
    with pytest.raises(joint_releases.NotOpenedError):
        federated.joint_mixture(joint, again.source)
    assert again.group.num_abstentions == owners_here.NUM_OWNERS


def test_a_step_that_is_not_agreed_upon_is_refused():
    pytest.importorskip("flwr")
    from keras_dpgan.federated.flower import joint_releases
    from keras_dpgan.federated.flower import messages

    for step in (4, -1, "0", None, 1.5):
        facts = {} if step is None else {"step": step}
        with pytest.raises(messages.InvalidMessageError, match="wrong step"):
            joint_releases.OneStep(messages.write([], **facts), of_records(), None)
