import dataclasses

import numpy as np
import pytest
from scipy import stats

from keras_dpgan import evaluation
from keras_dpgan.data import load_digits


@pytest.fixture(scope="module")
def digits():
    """Training rows, test rows, and as many fresh real rows as samples."""
    (x, _), (x_test, _) = load_digits()
    rows = np.concatenate([x, x_test])
    return rows[:897], rows[897:1347], rows[1347:]


def noisy(rows, scale, seed=0):
    return rows + np.random.default_rng(seed).normal(0, scale, rows.shape)


@pytest.mark.parametrize("seed", range(10))
def test_fresh_real_rows_are_not_called_copies(digits, seed):
    rows = np.random.default_rng(seed).permutation(np.concatenate(digits))
    found = evaluation.memorization(rows[1347:], rows[:897], rows[897:1347], seed=seed)
    assert not found.memorized
    assert found.identical_samples == 0
    assert found.train_share == pytest.approx(0.5, abs=0.1)


def test_copied_training_rows_are_called_out(digits):
    train, test, fresh = digits
    found = evaluation.memorization(train[:450], train, test)
    assert found.memorized
    assert found.identical_samples == 450
    assert found.copied_share == 1
    assert found.copied_p_value < 1e-100
    np.testing.assert_array_equal(found.neighbors, np.arange(450))


def test_one_exact_copy_among_many_samples_is_called_out(digits):
    train, test, fresh = digits
    found = evaluation.memorization(np.concatenate([fresh, train[7:8]]), train, test)
    assert found.memorized
    assert found.identical_samples == 1


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_copies_with_noise_are_called_out(digits, share):
    train, test, fresh = digits
    samples = fresh.copy()
    n = int(share * len(fresh))
    samples[:n] = noisy(train[:n], 0.05)
    found = evaluation.memorization(samples, train, test)
    assert found.memorized
    assert found.identical_samples == 0


def test_copies_with_so_much_noise_that_none_stands_out_are_called_out(digits):
    train, test, _ = digits
    found = evaluation.memorization(noisy(train, 0.2), train, test)
    assert found.copied_share < 0.01
    assert found.train_p_value < 1e-6
    assert found.memorized


def test_one_training_row_repeated_with_noise_is_called_out(digits):
    train, test, _ = digits
    samples = noisy(np.repeat(train[3:4], 300, axis=0), 0.05)
    found = evaluation.memorization(samples, train, test)
    assert found.memorized
    assert (found.neighbors == 3).all()


@pytest.mark.parametrize("seed", range(5))
def test_blurred_or_alike_samples_are_not_called_copies(digits, seed):
    train, test, _ = digits
    mean = train.mean(axis=0, keepdims=True)
    blurred = noisy(np.repeat(mean, 400, axis=0), 0.05, seed)
    found = evaluation.memorization(blurred, train, test, seed=seed)
    assert not found.memorized


@pytest.mark.parametrize("seed", range(5))
def test_few_distinct_values_are_no_copies(seed):
    rows = np.random.default_rng(seed).integers(0, 3, (900, 4)).astype(np.float32)
    found = evaluation.memorization(rows[:300], rows[300:600], rows[600:], seed=seed)
    assert found.identical_samples > 200
    assert not found.memorized


def test_false_alarms_of_nearness_are_rarer_than_claimed():
    rng = np.random.default_rng(0)
    p_values = []
    for seed in range(300):
        rows = rng.normal(size=(160, 3))
        samples = rows[:40][rng.integers(0, 40, 60)]
        found = evaluation.memorization(samples, rows[40:100], rows[100:], seed=seed)
        p_values.append(found.train_p_value)
    assert np.mean(np.array(p_values) < 0.2) < 0.2


def test_excess_of_copies_agrees_with_fishers_exact_test(digits):
    train, test, fresh = digits
    samples = np.concatenate([fresh[:90], train[:3]])
    test = np.concatenate([test[:50], train[3:5]])
    found = evaluation.memorization(samples, train, test)
    expected = stats.fisher_exact([[3, 90], [2, 50]], alternative="greater").pvalue
    assert found.copied_p_value == pytest.approx(expected)
    assert found.copied_share == pytest.approx(3 / 93)
    assert found.copied_share_of_test == pytest.approx(2 / 52)


def test_distances_are_those_to_the_nearest_training_row(digits):
    train, test, fresh = digits
    found = evaluation.memorization(fresh[:20], train, test[:20])
    for distances, rows in (
        (found.sample_distances, fresh[:20]),
        (found.test_distances, test[:20]),
    ):
        differences = (rows[:, None] - train[None]).reshape(20, len(train), -1)
        expected = np.linalg.norm(differences, axis=-1).min(axis=1)
        np.testing.assert_allclose(distances, expected, rtol=1e-5)


def test_result_is_frozen(digits):
    train, test, fresh = digits
    found = evaluation.memorization(fresh[:20], train, test)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.memorized = True


@pytest.mark.parametrize(
    "change, message",
    [
        ({"samples": np.zeros((20, 9, 8, 1))}, "rows of one shape"),
        ({"samples": np.full((20, 8, 8, 1), np.nan)}, "NaN or infinity in 20 of 20"),
        ({"samples": np.zeros((9, 8, 8, 1))}, "`samples` must have at least 10 rows"),
        ({"real_test": np.zeros((0, 8, 8, 1))}, "`real_test` must have at least 10"),
        ({"real_train": np.zeros((20, 8, 8))}, "Add the channel axis"),
        ({"seed": -1}, "`seed` must be an integer"),
    ],
)
def test_says_what_is_wrong(change, message):
    rows = np.random.default_rng(0).normal(size=(20, 8, 8, 1))
    arguments = {"samples": rows, "real_train": rows, "real_test": rows, **change}
    with pytest.raises(ValueError, match=message):
        evaluation.memorization(**arguments)
