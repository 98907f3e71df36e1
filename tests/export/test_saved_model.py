"""The SavedModel that tools of others load, call and convert."""

import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan import DPGAN
from keras_dpgan import export
from keras_dpgan import models
from keras_dpgan.export import writer

CONDITIONAL = [False, True]


def make_trained(num_classes):
    gan = helpers.make_gan(num_classes)
    x, y = helpers.make_data()
    gan.fit(x, y if num_classes else None, batch_size=12, epochs=1, verbose=0)
    return gan


@pytest.fixture(scope="module")
def trained():
    """A trained model for each of "conditional" and not."""
    return {c: make_trained(helpers.NUM_CLASSES if c else None) for c in CONDITIONAL}


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    """The folder of the export of each."""
    folders = {c: tmp_path_factory.mktemp("export") / "generator" for c in CONDITIONAL}
    for conditional, folder in folders.items():
        trained[conditional].export(folder)
    return folders


def make_inputs(conditional, n=5):
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(n, helpers.LATENT_DIM)).astype(np.float32)
    labels = np.arange(n, dtype=np.int32) % helpers.NUM_CLASSES
    return [latents, labels] if conditional else latents


def rows_of(sample):
    return np.asarray(sample[0] if isinstance(sample, tuple) else sample)


def with_saved_model(folder):
    return tf.saved_model.load(folder)


def with_hub(folder):
    return pytest.importorskip("tensorflow_hub").load(folder)


def with_hub_layer(folder):
    return pytest.importorskip("tensorflow_hub").KerasLayer(folder)


def with_tfsm_layer(folder):
    return keras.layers.TFSMLayer(folder)


def with_serving_default(folder):
    model = tf.saved_model.load(folder)

    def call(inputs):
        names = ["latents", "labels"] if isinstance(inputs, list) else ["latents"]
        inputs = inputs if isinstance(inputs, list) else [inputs]
        tensors = {k: tf.constant(v) for k, v in zip(names, inputs, strict=True)}
        return model.signatures["serving_default"](**tensors)["samples"]

    return call


@pytest.mark.parametrize("conditional", CONDITIONAL)
@pytest.mark.parametrize(
    "load",
    [with_saved_model, with_hub, with_hub_layer, with_tfsm_layer, with_serving_default],
)
def test_every_caller_gets_what_the_generator_makes(
    trained, exported, load, conditional
):
    call = load(str(exported[conditional]))
    for n in (5, 1, 0):
        inputs = make_inputs(conditional, n)
        expected = np.asarray(trained[conditional].generator(inputs, training=False))
        np.testing.assert_allclose(np.asarray(call(inputs)), expected, atol=1e-6)


@pytest.mark.parametrize("conditional", CONDITIONAL)
def test_a_seed_draws_what_the_model_draws(trained, exported, conditional):
    labels = [2, 0, 1, 1] if conditional else None
    expected = rows_of(trained[conditional].sample(4, labels, seed=7))
    loaded = tf.saved_model.load(exported[conditional])
    for source in (loaded, export.load(exported[conditional])):
        drawn = source.sample(4, labels, seed=7)
        np.testing.assert_allclose(rows_of(drawn), expected, atol=1e-6)
        if conditional:
            assert np.asarray(drawn[1]).tolist() == labels
        assert not np.allclose(rows_of(source.sample(4, labels, seed=8)), expected)


@pytest.mark.parametrize("conditional", CONDITIONAL)
def test_without_a_seed_draws_differ_whatever_seeds_were_set(
    trained, tmp_path, conditional
):
    keras.utils.set_random_seed(0)
    trained[conditional].export(tmp_path / "generator")
    drawn = []
    for _ in range(2):
        loaded = tf.saved_model.load(tmp_path / "generator")
        for _ in range(2):
            tf.random.set_seed(0)
            drawn.append(rows_of(loaded.sample(4)))
    for i, rows in enumerate(drawn):
        assert not any(np.allclose(rows, other) for other in drawn[:i])


def test_labels_are_drawn_from_the_public_prior(tmp_path):
    gan = helpers.make_gan(label_prior=[1.0, 0.0, 3.0])
    gan.export(tmp_path / "generator")
    loaded = tf.saved_model.load(tmp_path / "generator")
    labels = np.asarray(loaded.sample(4000, seed=0)[1])
    counts = np.bincount(labels, minlength=3)
    assert counts[1] == 0
    # Five standard deviations of a binomial count.
    assert abs(counts[0] - 1000) < 140


@pytest.mark.parametrize("labels", [1, [1, 1, 1], np.array([1, 1, 1])])
def test_labels_may_be_one_or_one_each(exported, labels):
    loaded = tf.saved_model.load(exported[True])
    rows, drawn = loaded.sample(3, labels=labels, seed=0)
    assert rows.shape == (3, *helpers.SHAPE)
    assert np.asarray(drawn).tolist() == [1, 1, 1]
    assert drawn.dtype == tf.int32


@pytest.mark.parametrize(
    ("conditional", "arguments", "message"),
    [
        (True, {"n": -1}, "`n` must be at least 0"),
        (True, {"n": 2, "labels": [0, 1, 2]}, "`labels` must be one int, or ints"),
        (True, {"n": 2, "labels": [0, 3]}, r"`labels` must lie in \[0, 3\)"),
        (True, {"n": 2, "labels": -1}, r"`labels` must lie in \[0, 3\)"),
        (False, {"n": 2, "labels": [0, 1]}, "`labels` must be None"),
    ],
)
def test_a_loaded_sample_names_the_argument_that_is_wrong(
    exported, conditional, arguments, message
):
    loaded = tf.saved_model.load(exported[conditional])
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        loaded.sample(**arguments)


def test_a_wrong_latent_width_is_refused_with_both_shapes(exported):
    loaded = tf.saved_model.load(exported[False])
    with pytest.raises(TypeError, match=r"shape=\(2, 9\).*shape=\(None, 4\).*latents"):
        loaded(tf.zeros((2, 9)))


def test_the_documentation_says_the_pixel_range(exported):
    text = tf.saved_model.load(exported[True]).documentation().numpy().decode()
    assert "latents: float32 of shape (n, 4)" in text
    assert "labels: int32 of shape (n,), in [0, 3)" in text
    assert "samples: float32 of shape (n, 6), in [-1, 1]" in text


def stored_variables(folder):
    variables = tf.train.list_variables(str(folder / "variables" / "variables"))
    return [(name, shape) for name, shape in variables if shape or "GRAPH" not in name]


def bytes_of(folder):
    return b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("conditional", CONDITIONAL)
def test_the_weights_of_the_generator_are_stored_once_and_nothing_else(
    trained, exported, conditional
):
    generator = trained[conditional].generator
    expected = sorted(tuple(w.shape) for w in generator.weights)
    stored = stored_variables(exported[conditional])
    assert sorted(tuple(shape) for _, shape in stored) == expected
    loaded = tf.saved_model.load(exported[conditional])
    assert len(loaded.variables) == len(generator.weights)
    assert len(loaded.trainable_variables) == len(generator.trainable_weights)
    size = sum(p.stat().st_size for p in exported[conditional].rglob("*.data-*"))
    # Beside them the object graph, a few dozen bytes for each variable and for each
    # kind of argument that `sample` takes.
    graph = 200 * len(generator.weights) + 50 * 27
    assert size < 4 * generator.count_params() + graph


@pytest.mark.parametrize("conditional", CONDITIONAL)
def test_no_file_names_discriminator_optimizer_record_or_place(exported, conditional):
    folder = exported[conditional]
    files = [folder / "saved_model.pb", *folder.glob("variables/*")]
    content = b"".join(file.read_bytes() for file in files).lower()
    place = str(folder.parent).encode().lower()
    code = str(export.__path__[0]).encode().lower()
    for word in (b"discriminator", b"optimizer", b"num_closed", place, code):
        assert word not in content


def test_state_that_the_generator_was_given_besides_is_left_out(tmp_path):
    inputs = keras.Input((helpers.LATENT_DIM,))
    hidden = keras.layers.Dropout(0.5)(keras.layers.Dense(8)(inputs))
    rows = keras.layers.Dense(helpers.SHAPE[0], activation="tanh")(hidden)
    generator = keras.Model(inputs, rows)
    generator.compile("adam", "mse")
    generator.fit(np.zeros((4, 4)), np.zeros((4, 6)), verbose=0)
    gan = DPGAN(helpers.make_discriminator(None), generator)
    gan.export(tmp_path / "generator")
    shapes = sorted(tuple(s) for _, s in stored_variables(tmp_path / "generator"))
    assert shapes == [(4, 8), (6,), (8,), (8, 6)]


def test_half_precision_generators_make_float32(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        generator = models.image_generator((8, 8, 1), 4, width=4)
        discriminator = models.image_discriminator((8, 8, 1), width=4)
    finally:
        keras.config.set_dtype_policy("float32")
    gan = DPGAN(discriminator, generator)
    gan.export(tmp_path / "generator")
    loaded = tf.saved_model.load(tmp_path / "generator")
    expected = gan.sample(3, seed=1)
    assert loaded.sample(3, seed=1).dtype == tf.float32
    np.testing.assert_allclose(loaded.sample(3, seed=1), expected, atol=1e-3)


def test_a_folder_that_exists_is_refused_unless_it_is_an_export(trained, tmp_path):
    gan, folder = trained[False], tmp_path / "generator"
    gan.export(folder)
    with pytest.raises(FileExistsError, match="`overwrite=True`.*Received: filepath="):
        gan.export(folder)
    (folder / "notes.txt").write_text("of the last export")
    gan.export(folder, overwrite=True)
    assert not (folder / "notes.txt").exists()
    assert export.read_card(folder)["private"]
    other = tmp_path / "photos"
    other.mkdir()
    (other / "photo.png").write_bytes(b"")
    with pytest.raises(FileExistsError, match="only a folder that holds privacy.json"):
        gan.export(other, overwrite=True)
    assert (other / "photo.png").exists()


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError])
def test_an_interrupted_export_leaves_the_old_one(
    trained, tmp_path, monkeypatch, fault
):
    gan, folder = trained[False], tmp_path / "generator"
    gan.export(folder)
    before = bytes_of(folder)

    def interrupt(card):
        raise fault

    monkeypatch.setattr(writer, "model_card", interrupt)
    with pytest.raises(fault):
        gan.export(folder, overwrite=True)
    assert bytes_of(folder) == before
    export.read_card(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["generator"]


def test_an_export_that_cannot_take_its_place_leaves_the_old_one(
    trained, tmp_path, monkeypatch
):
    gan, folder = trained[False], tmp_path / "generator"
    gan.export(folder)
    before = bytes_of(folder)
    rename = type(folder).rename

    def fail_for_the_new_one(self, target):
        if target == folder and "previous" not in self.name:
            raise OSError("no space")
        return rename(self, target)

    monkeypatch.setattr(type(folder), "rename", fail_for_the_new_one)
    with pytest.raises(OSError, match="no space"):
        gan.export(folder, overwrite=True)
    assert bytes_of(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["generator"]
