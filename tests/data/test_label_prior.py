import helpers
import numpy as np
import pytest

from keras_dpgan import privacy
from keras_dpgan.data import label_prior
from keras_dpgan.data import private_label_prior
from keras_dpgan.mechanisms import secure_noise

LABELS = np.repeat(np.arange(4), [1000, 3000, 0, 6000])


def test_it_is_near_the_truth_and_a_distribution():
    prior, _ = private_label_prior(LABELS, 4, epsilon=1.0, delta=1e-6)
    np.testing.assert_allclose(prior, [0.1, 0.3, 0.0, 0.6], atol=0.01)
    assert prior.sum() == pytest.approx(1.0)
    assert (prior >= 0).all()
    again, _ = private_label_prior(LABELS, 4, epsilon=1.0, delta=1e-6)
    assert not np.array_equal(prior, again)


@pytest.mark.parametrize("epsilon", [0.05, 1.0, 20.0])
def test_the_entry_costs_what_was_asked_for_and_hardly_less(epsilon):
    _, entry = private_label_prior(LABELS, 4, epsilon=epsilon, delta=1e-6)
    spent = privacy.epsilon(privacy.PrivacyHistory([entry]), 1e-6)
    assert 0.999 * epsilon < spent <= epsilon
    assert entry.relation == "add_or_remove_one"


@pytest.mark.parametrize(
    ("factor", "accepted"), [(1, True), (2 / 3, False), (3 / 2, False)]
)
def test_the_noise_has_the_scale_that_the_entry_claims(monkeypatch, factor, accepted):
    draw = secure_noise.rounded_gaussian
    monkeypatch.setattr(
        label_prior.secure_noise,
        "rounded_gaussian",
        lambda size, sigma, source: draw(size, factor * sigma, source),
    )
    classes, each = 4000, 10_000
    labels = np.repeat(np.arange(classes), each)
    prior, entry = private_label_prior(labels, classes, epsilon=0.1, delta=1e-6)
    noise = (prior - 1 / classes) * classes * each / entry.noise_multiplier
    assert (abs(np.var(noise) - 1) < 5 * np.sqrt(2 / classes)) == accepted


def test_it_composes_with_training_in_the_ledger(tmp_path):
    x, y = helpers.make_data(40)
    with privacy.Ledger(tmp_path / "ledger", data_name="data") as ledger:
        prior, entry = private_label_prior(y, 3, epsilon=0.5, delta=1e-5, ledger=ledger)
        gan = helpers.make_gan(label_prior=prior)
        gan.fit(x, y, batch_size=10, epochs=1, verbose=0, ledger=ledger)
        assert [run.purpose for run in ledger.runs] == ["label histogram", "training"]
        assert ledger.runs[0].entry == entry
        training = privacy.PrivacyHistory([ledger.runs[1].entry])
        assert ledger.epsilon(1e-5) > privacy.epsilon(training, 1e-5)


def test_nothing_is_drawn_where_the_ledger_cannot_be_written(monkeypatch):
    class FullDisk:
        def spend(self, entry, purpose):
            raise OSError("no space left")

    monkeypatch.setattr(label_prior.secure_noise, "rounded_gaussian", pytest.fail)
    with pytest.raises(OSError, match="no space"):
        private_label_prior(LABELS, 4, epsilon=1.0, delta=1e-6, ledger=FullDisk())


def test_no_labels_at_all_give_a_distribution():
    prior, _ = private_label_prior(np.zeros(0, int), 3, epsilon=1.0, delta=1e-6)
    assert prior.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"labels": [[1]]}, "labels"),
        ({"labels": [0.5]}, "labels"),
        ({"labels": [0, 4]}, "labels"),
        ({"labels": [-1]}, "labels"),
        ({"num_classes": 0}, "num_classes"),
        ({"epsilon": 0.0}, "epsilon"),
        ({"delta": 1.0}, "delta"),
    ],
)
def test_bad_arguments_name_themselves(changes, name):
    arguments = {"labels": LABELS, "num_classes": 4, "epsilon": 1.0, "delta": 1e-6}
    with pytest.raises(ValueError, match=name):
        private_label_prior(**arguments | changes)
