"""What Keras takes as `x` and `y` trains, or has a remedy of its own."""

import pathlib

import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import sparse

from keras_dpgan import data

X, Y = helpers.make_data()


class Tensor:
    """A PyTorch tensor that a gradient is kept for, as far as arrays go."""

    def __init__(self, array):
        self._array = array

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    def detach(self):
        return self

    def cpu(self):
        return self._array


def objects(values):
    array = np.empty(len(values), object)
    for index, value in enumerate(values):
        array[index] = value
    return array


@pytest.fixture(scope="module")
def gan():
    return helpers.make_gan()


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (X.tolist(), Y.tolist()),
        (list(X), tuple(Y.tolist())),
        (np.ma.array(X), np.ma.array(Y)),
        (tf.Variable(X), tf.constant(Y)),
        (keras.Variable(X), Y),
        (Tensor(X), Tensor(Y)),
    ],
)
def test_what_is_an_array_in_other_clothes_trains(gan, x, y):
    before = gan.num_discriminator_updates
    gan.fit(x, y, batch_size=12, steps_per_epoch=1, verbose=0)
    assert gan.num_discriminator_updates == before + 1


RAGGED = tf.ragged.constant([[0.1, 0.2], [0.3]])


@pytest.mark.parametrize(
    ("x", "y", "remedy"),
    [
        ({"image": X}, Y, r"such as `x\['image'\]`"),
        ({}, Y, "Give one of its values"),
        ((X, Y), None, r"rows and labels separately: `fit\(x, y\)`"),
        ([X, Y], None, r"Give rows and labels separately: `fit\(x, y\)`"),
        ([X], Y, r"len\(x\)=1, len\(y\)=120"),
        (X, {"label": Y}, r"such as `y\['label'\]`"),
        (sparse.csr_matrix(X), Y, r"Make it dense: `x\.toarray\(\)`"),
        (X, sparse.csr_matrix(Y), r"Make it dense: `y\.toarray\(\)`"),
        (tf.sparse.from_dense(X), Y, r"dense: `tf\.sparse\.to_dense\(x\)`"),
        (RAGGED, Y, r"Pad it to one shape: `x\.to_tensor\(\)`"),
        ([row[: i % 3 + 1] for i, row in enumerate(X)], Y, "have one shape. Resize"),
        (np.ma.masked_greater(X, 0.9), Y, r"no masked values.*x\.filled\(0\.0\)"),
        (X, np.ma.masked_equal(Y, 1), "`y` must have no masked values"),
        (objects(list(X)), Y, r"np\.stack\(x\).*resize or pad"),
        (objects(["a"] * 120), Y, "`x` must hold floats. Encode them"),
        (X.astype(object), Y, r"Fill in missing values.*x\.astype\('float32'\)"),
        (objects([None] * 120), Y, "Fill in missing values"),
        (X.astype("complex64"), Y, "real and imaginary parts"),
        (X, Y.astype(object), r'y\.astype\("int32"\)'),
        (X, objects(list("abc" * 40)), "number the classes in a public order"),
        (None, Y, "`x` must be one array of records.*NoneType"),
        ("digits.npz", None, "Load the file that it names first"),
        (pathlib.Path("digits.npz"), None, "Load the file that it names first"),
        (7, Y, "along the first axis"),
        (range(5), Y, "along the first axis"),
        (lambda: X, Y, "along the first axis"),
        (data.PoissonDataset, None, "along the first axis"),
        (np.float32(3), Y, "`x` must have a first axis"),
    ],
)
def test_what_is_none_has_a_remedy_of_its_own(gan, x, y, remedy):
    before = helpers.weights_of(gan)
    with pytest.raises((TypeError, ValueError), match=f"(?s){remedy}"):
        gan.fit(x, y, verbose=0)
    assert helpers.same(before, helpers.weights_of(gan))


def test_an_npz_file_is_named(gan, tmp_path):
    np.savez(tmp_path / "digits.npz", images=X, labels=Y)
    with np.load(tmp_path / "digits.npz") as file:
        with pytest.raises(TypeError, match=r"out of the file: `x\['images'\]`"):
            gan.fit(file, verbose=0)


def test_a_poisson_data_set_reads_no_masked_values_either():
    with pytest.raises(ValueError, match="`x` must have no masked values"):
        data.PoissonDataset(np.ma.masked_greater(X, 0.9), expected_batch_size=12)


def test_data_frames(gan):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X)
    flags = frame.assign(flag=frame[0] > 0).drop(columns=0)
    nullable = frame.astype("Float32")
    for x in (frame, flags.astype("float32"), nullable.astype("float32")):
        gan.fit(x, pandas.Series(Y), batch_size=12, steps_per_epoch=1, verbose=0)
    missing = nullable.copy()
    missing.iloc[0, 0] = pandas.NA
    for x in (flags, missing):
        with pytest.raises(ValueError, match=r"x\.astype\('float32'\)"):
            gan.fit(x, Y, verbose=0)
    labels = pandas.Series(Y).map({0: "a", 1: "b", 2: "c"}).astype("category")
    with pytest.raises(ValueError, match="number the classes"):
        gan.fit(frame, labels, verbose=0)


def test_one_class_is_a_conditional_model_of_one_label():
    gan = helpers.make_gan(num_classes=1)
    gan.fit(X, np.zeros_like(Y), batch_size=12, verbose=0)
    rows, labels = gan.sample(4)
    assert len(rows) == 4
    assert labels.tolist() == [0] * 4
    with pytest.raises(ValueError, match=r"`y` must lie in \[0, 1\)"):
        gan.fit(X, Y, verbose=0)
