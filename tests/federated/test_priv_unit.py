"""Clients that report one record each, by a randomizer of their own."""

import numpy as np
import owners_here
import pytest

pytest.importorskip("cryptography")

from keras_dpgan import data
from keras_dpgan import federated
from keras_dpgan import mixture
from keras_dpgan import privacy
from keras_dpgan.federated import joint_reports
from keras_dpgan.federated import priv_unit
from keras_dpgan.federated.joint_reports import JointReports
from keras_dpgan.federated.joint_reports import ReportsHere
from keras_dpgan.federated.priv_unit import PrivUnit

DELTA = 1e-5
PLAN = mixture.MixturePlan(
    shape=(8, 8, 1), num_classes=10, rank=9, basis="dct", covariances="shared"
)
MANY = 200_000


def reports_of(randomizer, label, vector, many=MANY):
    vectors = np.broadcast_to(vector, (many, len(vector)))
    return randomizer.reports(np.full(many, label), vectors)


@pytest.mark.parametrize("epsilon", [0.5, 2.0, 6.0])
@pytest.mark.parametrize("num_labels", [1, 4])
def test_no_report_is_more_likely_than_epsilon_says(epsilon, num_labels):
    randomizer = PrivUnit(epsilon=epsilon, dim=2, num_labels=num_labels)
    edge, mass, inside, _ = randomizer._cap
    # The likelihood of a report, against a uniform label and a normal direction.
    in_cap = inside / (mass / num_labels)
    outside = (1 - inside) / (1 - mass / num_labels)
    assert in_cap / outside == pytest.approx(np.exp(epsilon), rel=1e-9)
    # That is how reports are in fact distributed: label and cap of one client, seen
    # from the reports of another that shares neither.
    vector, other = np.array([0.6, 0.8]), np.array([-0.8, 0.6])
    labels, directions = reports_of(randomizer, 0, vector)
    along = directions @ np.append(vector, 0.0)
    found = np.mean((along >= edge) & (labels == 0))
    spread = 5 * np.sqrt(inside / MANY)
    assert found == pytest.approx(inside, abs=spread)
    if num_labels > 1:
        labels, directions = reports_of(randomizer, 1, other)
        along = directions @ np.append(vector, 0.0)
        found = np.mean((along >= edge) & (labels == 0))
        expected = inside * np.exp(-epsilon)
        assert found == pytest.approx(expected, abs=5 * np.sqrt(expected / MANY))
        # Every label that is not the own is as likely.
        counts = np.bincount(labels, minlength=num_labels)
        others = counts[[0, 2, 3]]
        assert np.ptp(others) < 8 * np.sqrt(others.mean())


@pytest.mark.parametrize("num_labels", [1, 3])
def test_estimates_are_unbiased_and_have_the_stated_noise(num_labels):
    randomizer = PrivUnit(epsilon=2.0, dim=3, num_labels=num_labels)
    vectors = np.array([[0.5, -0.3, 0.1], [0.0, 0.9, 0.2], [0.0, 0.0, 0.0]])
    labels = np.array([0, 1, 2]) % num_labels
    each = 60_000
    all_labels, all_vectors = np.repeat(labels, each), np.repeat(vectors, each, axis=0)
    counts, sums, count_noise, noise = randomizer.sums(
        *randomizer.reports(all_labels, all_vectors)
    )
    expected = np.zeros_like(sums)
    np.add.at(expected, all_labels, all_vectors)
    assert (np.abs(sums - expected) <= 5 * noise[:, None]).all()
    exact = np.bincount(all_labels, minlength=num_labels)
    assert (np.abs(counts - exact) <= 5 * count_noise).all()
    # The noise is not stated larger than it is by much.
    errors = []
    for _ in range(30):
        few = randomizer.reports(np.zeros(500, int), np.zeros((500, 3)))
        _, found, _, noise = randomizer.sums(*few)
        errors.append(found[0] / noise[0])
    assert np.std(errors) == pytest.approx(1.0, rel=0.25)


def test_a_report_costs_epsilon_and_reports_of_one_client_add_up():
    entry = PrivUnit(epsilon=0.7, dim=3).entry
    one = privacy.PrivacyHistory([entry])
    assert one.unit == "client"
    assert one.relation == "replace_client"
    found = privacy.epsilon(one, DELTA)
    assert 0.69 < found <= 0.7
    many = privacy.PrivacyHistory([entry.with_count(30)])
    # By composition less than the sum, more than one of them.
    assert 0.7 < privacy.epsilon(many, DELTA) < 30 * 0.7
    assert privacy.epsilon(many, DELTA) <= privacy.epsilon(many, DELTA, "rdp")
    statement = " ".join(str(privacy.privacy_statement(one, DELTA)).split())
    assert "by a randomizer under which no report is more likely" in statement
    with pytest.raises(ValueError, match="must be 'client' with mechanism='pure'"):
        privacy.HistoryEntry(mechanism="pure", noise_multiplier=1.0)


def test_randomized_response_is_the_worst_that_epsilon_allows():
    """Two answers of randomized response, against the exact tail of their losses."""
    epsilon, delta = 1.0, 1e-3
    entry = privacy.HistoryEntry(
        mechanism="pure", noise_multiplier=1 / epsilon, unit="client", count=2
    )
    found = privacy.epsilon(privacy.PrivacyHistory([entry]), delta)
    likely = np.exp(epsilon) / (1 + np.exp(epsilon))
    # Both answers tell: the loss is 2 epsilon, with this probability.
    exact = 2 * epsilon + np.log1p(-delta / likely**2)
    assert found == pytest.approx(exact, rel=1e-3)


def clients_of_digits(repeats=1):
    x, y = data.load_digits()[0]
    return [(x[i : i + 1], y[i : i + 1]) for i in range(len(x))] * repeats


@pytest.mark.parametrize("kind", joint_reports.KINDS)
def test_clients_of_one_process_report_as_each_alone_would(kind, monkeypatch):
    """With the same randomness, which is a client's own."""
    joint = JointReports(plan=PLAN, kind=kind, epsilon=3.0)
    clients, arrays = clients_of_digits()[:7], owners_here.centred_arrays(PLAN, 2)

    def bytes_by_client():
        drawn = {}

        def uniforms(count):
            # Three for each of the clients in a call, then one: by client and place.
            of_client = joint_clients[0]
            shape = (count // len(of_client), len(of_client))
            place = drawn.setdefault(len(of_client), iter(range(100)))
            seed = next(place)
            columns = [
                np.random.default_rng([seed, c]).random(shape[0]) for c in of_client
            ]
            return np.stack(columns, axis=1).ravel()

        return uniforms

    joint_clients = [None]
    if kind == "laplace":
        monkeypatch.setattr(
            "keras_dpgan.federated.laplace_update.discrete_laplace",
            lambda size, scale: np.round(scale * np.linspace(-1, 1, size)),
        )
    else:
        monkeypatch.setattr(
            priv_unit,
            "_normals",
            lambda shape: np.stack(
                [
                    np.random.default_rng([9, c]).normal(size=shape[1])
                    for c in joint_clients[0]
                ]
            ),
        )

    def drawn(numbers):
        joint_clients[0] = numbers
        if kind != "laplace":
            monkeypatch.setattr(priv_unit, "_uniforms", bytes_by_client())
        return joint.reports(2, arrays, [clients[n] for n in numbers])

    together = drawn(range(7))
    alone = [drawn([number]) for number in range(7)]
    for place, array in enumerate(together):
        joined = np.concatenate([report[place] for report in alone])
        np.testing.assert_allclose(array, joined, atol=1e-12)


def test_no_two_reports_are_alike():
    joint = JointReports(plan=PLAN, kind="priv_unit", epsilon=3.0)
    arrays = owners_here.centred_arrays(PLAN, 2)
    _, directions = joint.reports(2, arrays, clients_of_digits()[:1] * 50)
    assert len(np.unique(directions[:, 0])) == 50


def test_each_client_takes_part_in_one_step():
    joint = JointReports(plan=PLAN, kind="priv_unit", epsilon=3.0)
    steps = [joint.step_of(client) for client in range(20_000)]
    shares = np.bincount(steps) / len(steps)
    np.testing.assert_allclose(shares, [s.share for s in PLAN.steps], atol=0.026)
    assert joint.entry.count == 1
    for kind in joint_reports.KINDS:
        # What two clients can differ by is charged, too: twice the clip.
        entry = JointReports(plan=PLAN, kind=kind, epsilon=3.0).entry
        found = privacy.epsilon(privacy.PrivacyHistory([entry]), DELTA)
        assert 2.9 < found <= 3.0


@pytest.mark.parametrize(
    "kind", ["priv_unit", pytest.param("laplace", marks=pytest.mark.slow)]
)
def test_many_clients_make_a_mixture_that_is_worth_having(kind):
    # The digits eight times over stand for more clients than they are; the epsilon is
    # that of one client.
    joint = JointReports(plan=PLAN, kind=kind, epsilon=6.0)
    found, entry = federated.joint_mixture(
        joint, ReportsHere(joint, clients_of_digits(8))
    )
    assert privacy.epsilon(privacy.PrivacyHistory([entry]), DELTA) <= 6.0
    assert owners_here.accuracy(found) > 0.5


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match='`plan` must have covariances="shared"'):
        JointReports(plan=owners_here.PLAN, kind="laplace", epsilon=1.0)
    with pytest.raises(ValueError, match="`kind` must be"):
        JointReports(plan=PLAN, kind="gauss", epsilon=1.0)
    randomizer = PrivUnit(epsilon=1.0, dim=2, num_labels=3)
    for labels, vectors, message in (
        ([0], [[1.0, 1.0]], "`vectors` must have"),
        ([0], [[np.nan, 0.0]], "`vectors` must have"),
        ([3], [[1.0, 0.0]], "`labels` must lie"),
    ):
        with pytest.raises(ValueError, match=message):
            randomizer.reports(np.array(labels), np.array(vectors))
