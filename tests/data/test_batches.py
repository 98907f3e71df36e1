"""Data sets are looked at as arrays are, before anything is spent."""

import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan import privacy

BATCH = 12
X, Y = helpers.make_data()


def as_dataset(x, y=None):
    data = x if y is None else (x, y)
    return tf.data.Dataset.from_tensor_slices(data).batch(BATCH, drop_remainder=True)


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y=None):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x) // BATCH

    def __getitem__(self, index):
        part = slice(index * BATCH, (index + 1) * BATCH)
        return self.x[part] if self.y is None else (self.x[part], self.y[part])


def as_generator(x, y=None):
    batches = Batches(x, y)
    return (batches[i] for i in range(len(batches)))


class Loader:
    """Batches as a PyTorch `DataLoader` gives them: again for each `iter`."""

    def __init__(self, x, y=None):
        self.arguments = x, y

    def __iter__(self):
        return as_generator(*self.arguments)


KINDS = [as_dataset, Batches, as_generator]


def with_one(x, value):
    x = x.copy()
    x[3, 1] = value
    return x


FAULTS = {
    "labels that start at 1": ((X, Y + 1), r"`y` must lie in \[0, 3\).*`y = y - 1`"),
    "negative labels": ((X, Y - 1), r"`y` must lie in \[0, 3\).*from -1 to 1"),
    "float labels": ((X, Y + 0.5), r'`y` must hold one int.*y.astype\("int32"\)'),
    "one-hot labels": ((X, np.eye(3)[Y]), "one-hot: `y = np.argmax"),
    "string labels": ((X, Y.astype(str)), "number the classes"),
    "a column of labels": ((X, Y[:, None]), r"y = y\[:, 0\]"),
    "no labels": ((X,), "`y` must give a label.*the model is conditional"),
    "pixels": ((np.abs(X) * 255, Y), r"scale_to_range\(x, \(-1.0, 1.0\), source_range"),
    "bytes": (((X * 100).astype("uint8"), Y), "`x` must hold floats.*scale_to_range"),
    "integers": (((X * 100).astype("int32"), Y), "`x` must hold floats.*one-hot rows"),
    "strings": ((X.astype(str), Y), "`x` must hold floats. Encode"),
    "NaN": ((with_one(X, np.nan), Y), "`x` must be finite.*record 3"),
    "rows of NaN": ((X * np.nan, Y), "`x` must be finite.*record 0"),
    "wide rows": ((np.concatenate([X, X], 1), Y), r"shape \(6,\), which the discrim"),
    "a channel": ((X[..., None], Y), r"Remove the last axis"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_is_refused_before_anything_is_spent(gan, kind, fault):
    arrays, message = FAULTS[fault]
    before = helpers.weights_of(gan)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        gan.fit(kind(*arrays), expected_batch_size=BATCH, verbose=0)
    assert helpers.same(before, helpers.weights_of(gan))
    assert gan.privacy_history.total_updates == 0


@pytest.fixture(scope="module")
def gan():
    return helpers.make_gan()


def test_nothing_is_entered_in_a_ledger_for_a_data_set_that_does_not_fit(tmp_path):
    with privacy.Ledger(tmp_path / "ledger", "toys", block_size=4) as ledger:
        with pytest.raises(ValueError, match="`y` must lie in"):
            helpers.make_gan().fit(as_dataset(X, Y + 1), ledger=ledger, verbose=0)
        assert ledger.history().total_updates == 0


@pytest.mark.parametrize("kind", KINDS)
def test_labels_for_a_model_without_are_refused(kind):
    gan = helpers.make_gan(num_classes=None)
    with pytest.raises(ValueError, match="`y` must be None, because the model takes"):
        gan.fit(kind(X, Y), expected_batch_size=BATCH, verbose=0)
    gan.fit(kind(X), expected_batch_size=BATCH, steps_per_epoch=10, verbose=0)
    assert gan.num_discriminator_updates == 10


def weighted():
    weights = np.ones(len(X), np.float32)
    return tf.data.Dataset.from_tensor_slices((X, Y, weights)).batch(BATCH)


def ragged(values):
    return tf.ragged.constant([[v] * (i % 3 + 1) for i, v in enumerate(values)])


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (weighted(), "`sample_weight` must be left out"),
        (as_dataset(X, Y).unbatch(), r"yields single records.*dataset\.batch\(256"),
        (tf.data.Dataset.range(5), "yields single records"),
        (as_dataset({"image": X, "label": Y}), r"such as `x\['image'\]`"),
        (as_dataset(X, {"label": Y}), r"such as `y\['label'\]`"),
        (as_dataset((X, X), Y), "rows and labels separately"),
        (as_dataset(ragged(X[:, 0]), Y), r"Pad it to one shape: `x\.to_tensor"),
        (as_dataset(tf.sparse.from_dense(X), Y), r"dense: `tf\.sparse\.to_dense"),
        (as_dataset(X, Y).take(0), "at least one batch. Received: an empty"),
        (iter(()), "at least one batch. Received: an empty"),
        (iter([(X, Y, None, None)]), "batches of 4 parts"),
    ],
)
def test_a_structure_that_is_no_batch_of_rows_and_labels_is_named(
    gan, dataset, message
):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        gan.fit(dataset, expected_batch_size=BATCH, verbose=0)
    assert gan.num_discriminator_updates == 0


def test_no_batch_of_a_generator_is_lost():
    gan = helpers.make_gan()
    for given in (as_generator(X, Y), iter(Loader(X, Y)), map(tuple, Batches(X, Y))):
        gan.fit(given, expected_batch_size=BATCH, steps_per_epoch=10, verbose=0)
    assert gan.num_discriminator_updates == 30


def test_a_batch_without_rows_comes_first():
    class EmptyFirst(Batches):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return (x[:0], y[:0]) if index == 0 else (x, y)

    gan = helpers.make_gan()
    gan.fit(EmptyFirst(X, Y), expected_batch_size=BATCH, verbose=0)
    assert gan.num_discriminator_updates == 10
    with pytest.raises(ValueError, match="`y` must hold one int"):
        gan.fit(EmptyFirst(X, Y + 0.5), expected_batch_size=BATCH, verbose=0)


@pytest.mark.parametrize("private", [True, False])
def test_a_later_record_with_a_label_out_of_range_counts_as_absent(private):
    d_optimizer = keras.optimizers.SGD(0.1)
    if private:
        d_optimizer = helpers.make_d_optimizer(noise_multiplier=0.0)
    gan = helpers.make_gan(
        d_optimizer=d_optimizer, private=private, discriminator_steps=9
    )
    labels = Y[: 3 * BATCH].astype("int64")
    labels[BATCH : 2 * BATCH] = np.resize([-1, 3, 4, 2**32, 2**32 + 1], BATCH)
    seen = []
    keeping = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda *_, **__: seen.append(
            helpers.weights_of(gan.discriminator)
        )
    )
    dataset = as_dataset(X[: 3 * BATCH], labels)
    gan.fit(dataset, verbose=0, callbacks=[keeping])
    first, absent, last = seen
    assert helpers.same(first, absent)
    assert not helpers.same(absent, last)


def batches_of_unknown_shape(widths):
    """A pipeline that says nothing of its shapes, as around `tf.py_function`."""

    def load(width):
        rows = tf.py_function(lambda w: X[:BATCH, :w], [width], tf.float32)
        labels = tf.py_function(lambda w: Y[:BATCH], [width], tf.int32)
        return rows, labels

    return tf.data.Dataset.from_tensor_slices(widths).map(load)


def test_batches_whose_shape_is_not_known_before_they_come_train():
    gan = helpers.make_gan()
    gan.fit(batches_of_unknown_shape([6] * 3), expected_batch_size=BATCH, verbose=0)
    assert gan.num_discriminator_updates == 3


def test_a_later_batch_of_another_shape_is_named():
    batches = batches_of_unknown_shape([6, 5])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[12,5\].*\[\?,6\]"):
        helpers.make_gan().fit(batches, expected_batch_size=BATCH, verbose=0)
