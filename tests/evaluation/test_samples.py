import helpers
import keras
import numpy as np
import pytest

from keras_dpgan import evaluation


def test_a_dpgan_gives_rows_and_labels():
    gan = helpers.make_gan()
    rows, labels = evaluation.draw_samples(gan, 7, seed=3)
    expected_rows, expected_labels = gan.sample(7, seed=3)
    np.testing.assert_array_equal(rows, expected_rows)
    np.testing.assert_array_equal(labels, expected_labels)


@pytest.mark.parametrize("num_classes", [None, 3])
def test_a_keras_generator_gives_rows_and_labels(num_classes):
    generator = helpers.make_generator(num_classes)
    rows, labels = evaluation.draw_samples(generator, 7, seed=3)
    assert rows.shape == (7, *helpers.SHAPE)
    assert (labels is None) == (num_classes is None)
    again, _ = evaluation.draw_samples(generator, 7, seed=3)
    np.testing.assert_array_equal(rows, again)


def test_an_export_gives_the_rows_of_its_gan(tmp_path):
    gan = helpers.make_gan(num_classes=None)
    gan.export(tmp_path / "export")
    rows, labels = evaluation.draw_samples(tmp_path / "export", 7, seed=3)
    np.testing.assert_allclose(rows, gan.sample(7, seed=3), rtol=1e-5, atol=1e-6)
    assert labels is None


def test_a_callable_is_asked_for_n_rows():
    rows, labels = evaluation.draw_samples(lambda n: np.ones((n, 2)), 7)
    assert rows.shape == (7, 2)
    assert labels is None


def test_arrays_are_cut_to_n_and_may_be_shorter():
    x, y = np.ones((5, 2)), np.arange(5)
    rows, labels = evaluation.draw_samples((x, y), 3)
    assert rows.shape == (3, 2)
    np.testing.assert_array_equal(labels, [0, 1, 2])
    assert len(evaluation.draw_samples(x, 9)[0]) == 5
    assert len(evaluation.draw_samples(keras.ops.ones((5, 2)), 3)[0]) == 3


def test_an_npz_file_is_read(tmp_path):
    np.savez(tmp_path / "samples.npz", x=np.ones((5, 2)), y=np.arange(5))
    rows, labels = evaluation.draw_samples(tmp_path / "samples.npz", 4)
    assert rows.shape == (4, 2)
    np.testing.assert_array_equal(labels, [0, 1, 2, 3])
    np.savez(tmp_path / "bare.npz", x=np.ones((5, 2)))
    assert evaluation.draw_samples(tmp_path / "bare.npz", 4)[1] is None


@pytest.mark.parametrize(
    "source, message",
    [
        (3, "`generator` must be a DPGAN"),
        (lambda n: np.full((n, 2), np.nan), "`samples` must be finite"),
        (lambda n: np.ones((n, 2, 2)), "`samples` must be images"),
        (lambda n: (np.ones((n, 2)), np.zeros(3, int)), "one int for each row"),
    ],
)
def test_says_what_is_wrong_with_a_source(source, message):
    with pytest.raises(ValueError, match=message):
        evaluation.draw_samples(source, 4)


def test_a_path_that_leads_nowhere_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="export"):
        evaluation.draw_samples(tmp_path / "missing", 4)
    np.savez(tmp_path / "other.npz", rows=np.ones((5, 2)))
    with pytest.raises(ValueError, match="array `x`"):
        evaluation.draw_samples(tmp_path / "other.npz", 4)


def test_n_must_be_positive():
    with pytest.raises(ValueError, match="`n` must be an integer"):
        evaluation.draw_samples(np.ones((5, 2)), 0)
