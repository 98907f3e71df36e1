"""Grids of generated images, epoch by epoch."""

import subprocess
import sys

import helpers
import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from keras_dpgan import DPGAN
from keras_dpgan import models
from keras_dpgan.callbacks import SampleLogger
from keras_dpgan.callbacks import sample_grid
from keras_dpgan.data import PoissonDataset

SHAPE = (4, 4, 1)


def make_image_gan(num_classes=2, shape=SHAPE, output_activation="tanh"):
    """Without privacy, which these tests do not need, for speed."""
    units = int(np.prod(shape))
    generator = models.vector_generator(
        units, 3, num_classes, (4,), output_activation=output_activation
    )
    rows = keras.layers.Reshape(shape)(generator.output)
    generator = keras.Model(generator.input, rows)
    discriminator = models.vector_discriminator(units, num_classes, (4,))
    images = keras.Input(shape)
    flat = keras.layers.Flatten()(images)
    inputs = [images, *discriminator.inputs[1:]]
    outputs = discriminator([flat, *inputs[1:]] if num_classes else flat)
    gan = DPGAN(keras.Model(inputs if num_classes else images, outputs), generator)
    gan.compile(
        keras.optimizers.SGD(0.1),
        keras.optimizers.SGD(0.1),
        private=False,
    )
    return gan


@pytest.fixture(scope="module", name="gan")
def conditional_gan():
    """One for all, since the tracing is what takes time."""
    return make_image_gan()


def fit(gan, *callbacks, epochs=3, **arguments):
    images = np.zeros((8, *gan.row_shape), np.float32)
    labels = None if gan.num_classes is None else np.arange(8) % gan.num_classes
    dataset = PoissonDataset(images, labels, expected_batch_size=4, seed=0)
    return gan.fit(
        dataset, epochs=epochs, callbacks=list(callbacks), verbose=0, **arguments
    )


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_each_epoch_leaves_a_grid_and_the_end_a_film(gan, tmp_path):
    folder = tmp_path / "deep" / "samples"
    fit(gan, SampleLogger(folder))
    assert files_in(folder) == [
        "epoch-0001.png",
        "epoch-0002.png",
        "epoch-0003.png",
        "training.gif",
    ]
    with PIL.Image.open(folder / "training.gif") as film:
        assert film.n_frames == 3
        assert film.info["loop"] == 0


def test_the_grid_is_of_the_same_latents_each_time(gan, tmp_path):
    fit(gan, SampleLogger(tmp_path, samples_per_label=4, seed=5), epochs=1)
    labels = np.repeat([0, 1], 4)
    images, _ = gan.sample(8, labels, seed=5)
    expected = sample_grid(images, labels, columns=4)
    with PIL.Image.open(tmp_path / "epoch-0001.png") as drawn:
        np.testing.assert_array_equal(np.asarray(drawn), np.asarray(expected))


def test_drawing_changes_nothing_in_training(tmp_path):
    weights = []
    for callbacks in ([], [SampleLogger(tmp_path)]):
        keras.utils.set_random_seed(0)
        gan = make_image_gan()
        fit(gan, *callbacks, epochs=1)
        weights.append(helpers.weights_of(gan))
    assert helpers.same(*weights)


def test_an_unconditional_model_is_drawn_as_a_square(tmp_path):
    fit(make_image_gan(None), SampleLogger(tmp_path, samples_per_label=3), epochs=1)
    with PIL.Image.open(tmp_path / "epoch-0001.png") as grid:
        assert grid.size == (3 * 34 + 2, 3 * 34 + 2)


def test_the_film_of_a_resumed_run_begins_at_the_first_epoch(gan, tmp_path):
    fit(gan, SampleLogger(tmp_path), epochs=2)
    fit(gan, SampleLogger(tmp_path), epochs=5, initial_epoch=2)
    with PIL.Image.open(tmp_path / "training.gif") as film:
        assert film.n_frames == 5


def test_a_failure_while_drawing_leaves_the_last_grid_whole(gan, tmp_path, monkeypatch):
    fit(gan, SampleLogger(tmp_path), epochs=1)
    before = (tmp_path / "epoch-0001.png").read_bytes()

    def save_half(image, path):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(PIL.Image.Image, "save", save_half)
    with pytest.raises(OSError, match="No space"):
        fit(gan, SampleLogger(tmp_path), epochs=1)
    assert files_in(tmp_path) == ["epoch-0001.png", "training.gif"]
    assert (tmp_path / "epoch-0001.png").read_bytes() == before


def test_tensorboard_shows_the_grids(gan, tmp_path):
    pytest.importorskip("tensorboard")
    logger = SampleLogger(tmp_path / "samples", log_dir=tmp_path / "logs")
    fit(gan, logger, epochs=2)
    (path,) = (tmp_path / "logs").glob("events*")
    events = tf.compat.v1.train.summary_iterator(str(path))
    steps = [e.step for e in events for v in e.summary.value if v.tag == "samples"]
    assert steps == [0, 1]


def test_without_tensorboard_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"keras-dpgan\[tensorboard\]"):
        SampleLogger(tmp_path, log_dir=tmp_path)


def test_records_that_are_no_images_are_refused_before_any_update(tmp_path):
    gan = helpers.make_gan()
    with pytest.raises(ValueError, match=r"images of shape .* \(6,\)"):
        gan.fit(*helpers.make_data(), callbacks=[SampleLogger(tmp_path)], verbose=0)
    assert gan.num_discriminator_updates == 0


def test_a_generator_without_a_range_needs_one(tmp_path):
    gan = make_image_gan(output_activation="linear")
    with pytest.raises(ValueError, match="`pixel_range`"):
        fit(gan, SampleLogger(tmp_path))
    fit(gan, SampleLogger(tmp_path, pixel_range=(0, 1)), epochs=1)


@pytest.mark.parametrize(
    "arguments",
    [
        {"samples_per_label": 0},
        {"seed": -1},
        {"pixel_range": (1, 0)},
        {"label_names": ["only one"]},
    ],
)
def test_arguments_that_do_not_fit_are_refused(gan, tmp_path, arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"`{name}`"):
        fit(gan, SampleLogger(tmp_path, **arguments))


def test_the_package_needs_no_plotting_until_something_is_drawn():
    code = (
        "import sys, keras; "
        "sys.modules.update(dict.fromkeys(['matplotlib', 'PIL', 'tensorboard'])); "
        "import keras_dpgan"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
