"""A directory of images, found as Keras finds it and read by index."""

import keras
import numpy as np
import pytest

from keras_dpgan import DPGAN
from keras_dpgan import models
from keras_dpgan import optimizers
from keras_dpgan.data import PoissonDataset
from keras_dpgan.data import check_records
from keras_dpgan.data import load_image_directory

SHAPE = (8, 8, 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three classes; one has a folder in it, one a file that is no image."""
    folder = tmp_path_factory.mktemp("pets")
    rng = np.random.default_rng(0)
    for name in ("dogs", "cats", "birds/owls"):
        (folder / name).mkdir(parents=True)
        for i in range(4):
            pixels = rng.integers(0, 256, SHAPE, np.uint8)
            path = folder / name / f"{i}.{'jpg' if i == 3 else 'png'}"
            keras.utils.save_img(path, pixels, scale=False)
    (folder / "cats" / "notes.txt").write_text("no image")
    return folder


@pytest.mark.parametrize("color_mode", ["rgb", "grayscale"])
@pytest.mark.parametrize("class_names", [None, ["dogs", "birds", "cats"]])
def test_images_and_labels_are_those_that_keras_finds(folder, color_mode, class_names):
    options = {"color_mode": color_mode, "class_names": class_names}
    x, y = load_image_directory(folder, image_size=SHAPE[:2], **options)
    keras_finds = keras.utils.image_dataset_from_directory(
        folder,
        image_size=SHAPE[:2],
        shuffle=False,
        batch_size=None,
        verbose=False,
        **options,
    )
    images, labels = zip(*keras_finds.as_numpy_iterator(), strict=True)
    np.testing.assert_allclose(np.asarray(x), np.stack(images) / 127.5 - 1, atol=1e-5)
    np.testing.assert_array_equal(y, labels)
    assert x.shape == (12, *SHAPE[:2], 3 if color_mode == "rgb" else 1)
    assert x.dtype == np.float32 and y.dtype == np.int32


def test_without_labels_all_folders_count(folder):
    x, y = load_image_directory(folder, labels=None, image_size=(8, 8))
    assert len(x) == 12 and y is None


def test_an_image_is_resized_by_itself(folder):
    x, _ = load_image_directory(folder, image_size=(5, 6), pixel_range=(0, 1))
    assert x.shape == (12, 5, 6, 3)
    rows = x[[2, 7]]
    np.testing.assert_array_equal(rows[0], x[2])
    assert 0 <= rows.min() < rows.max() <= 1


def test_batches_are_drawn_and_trained_on(folder):
    x, y = load_image_directory(folder, image_size=SHAPE[:2])
    check_records(x, y, SHAPE, 3, (-1, 1))
    gan = DPGAN(
        models.image_discriminator(SHAPE, num_classes=3, width=4),
        models.image_generator(SHAPE, latent_dim=4, num_classes=3, width=4),
    )
    gan.compile(
        optimizers.DPKerasSGDOptimizer(1.0, 1.0, learning_rate=0.1),
        keras.optimizers.SGD(0.1),
    )
    gan.fit(PoissonDataset(x, y, expected_batch_size=6), epochs=2, verbose=0)
    assert gan.num_discriminator_updates == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("labels", [1, 2]),
        ("labels", "other"),
        ("color_mode", "cmyk"),
        ("image_size", 8),
        ("image_size", (0, 8)),
        ("pixel_range", (1, 0)),
        ("directory", "missing"),
    ],
)
def test_a_wrong_argument_is_named(folder, name, value):
    with pytest.raises(ValueError, match=f"`{name}"):
        load_image_directory(**{"directory": folder, name: value})


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "cats").mkdir()
    with pytest.raises(ValueError, match="[Nn]o images found"):
        load_image_directory(tmp_path)
