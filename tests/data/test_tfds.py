"""TFDS both ways: read by index, and written with its privacy card."""

import importlib.util
import pathlib
from unittest import mock

import helpers
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan import DPGAN
from keras_dpgan import models
from keras_dpgan.data import PoissonDataset
from keras_dpgan.data import check_records
from keras_dpgan.data import load_tfds
from keras_dpgan.data import write_tfds

tfds = pytest.importorskip("tensorflow_datasets")

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
N = 30
SHAPE = (8, 8, 1)


def make_pixels():
    return np.random.default_rng(0).integers(0, 256, (N, *SHAPE), np.uint8)


def store(folder, name, file_format, features, columns):
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={"train": [(i, row) for i, row in enumerate(columns)]},
        data_dir=folder,
        file_format=file_format,
        disable_shuffling=True,
    )


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """The same images in both formats, and images of many sizes."""
    folder = tmp_path_factory.mktemp("tfds")
    pixels = make_pixels()
    features = {
        "image": tfds.features.Image(shape=SHAPE),
        "label": tfds.features.ClassLabel(num_classes=3),
    }
    rows = [{"image": pixels[i], "label": i % 3} for i in range(N)]
    sizes = {"photo": tfds.features.Image(shape=(None, None, 3))}
    photos = [{"photo": np.full((4 + i, 9, 3), 50 * i, "uint8")} for i in range(4)]
    for file_format in ("array_record", "tfrecord"):
        store(folder, f"in_{file_format}", file_format, features, rows)
        store(folder, f"photos_{file_format}", file_format, sizes, photos)
    return folder


def test_both_formats_hold_the_same(data_dir):
    by_index, labels_by_index = load_tfds("in_array_record", data_dir=data_dir)
    in_memory, labels = load_tfds("in_tfrecord", data_dir=data_dir)
    assert not isinstance(by_index, np.ndarray)
    assert by_index.shape == in_memory.shape == (N, *SHAPE)
    assert by_index.dtype == in_memory.dtype == np.float32
    assert labels_by_index.dtype == labels.dtype == np.int32
    np.testing.assert_array_equal(np.asarray(by_index), in_memory)
    np.testing.assert_array_equal(np.asarray(labels_by_index), labels)
    assert labels.tolist() == [i % 3 for i in range(N)]


@pytest.mark.parametrize(
    "index",
    [3, np.int64(3), slice(2, 7), slice(None, None, 9), np.array([1, 5, 29]), []],
)
def test_a_column_is_indexed_like_an_array(data_dir, index):
    index = np.array(index, np.int64) if isinstance(index, list) else index
    column, labels = load_tfds("in_array_record", data_dir=data_dir)
    expected = load_tfds("in_tfrecord", data_dir=data_dir)[0][index]
    assert column[index].shape == expected.shape
    assert column[index].dtype == np.float32
    np.testing.assert_array_equal(column[index], expected)
    assert len(labels) == len(column) == N


@pytest.mark.parametrize("index", [1.5, np.array([[1]]), np.array([True] * N)])
def test_a_column_refuses_what_is_no_index(data_dir, index):
    column, _ = load_tfds("in_array_record", data_dir=data_dir)
    with pytest.raises(IndexError, match="`index` must be an int.*Received"):
        column[index]


def test_a_part_of_a_split_is_read_by_index(data_dir):
    column, _ = load_tfds("in_array_record", "train[5:9]", data_dir=data_dir)
    expected = load_tfds("in_tfrecord", data_dir=data_dir)[0][5:9]
    np.testing.assert_array_equal(np.asarray(column), expected)


def test_poisson_batches_are_drawn_by_index(data_dir):
    x, y = load_tfds("in_array_record", data_dir=data_dir)
    pixels, labels = load_tfds("in_tfrecord", data_dir=data_dir)
    check_records(x, y, SHAPE, 3, (-1, 1))
    drawn = PoissonDataset(x, y, expected_batch_size=5, seed=0)
    expected = PoissonDataset(pixels, labels, expected_batch_size=5, seed=0)
    for i in range(len(drawn)):
        for ours, theirs in zip(drawn[i], expected[i], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def make_gan(num_classes=3):
    gan = DPGAN(
        models.image_discriminator(SHAPE, num_classes=num_classes, width=2),
        models.image_generator(SHAPE, 4, num_classes=num_classes, width=2),
    )
    gan.compile(**helpers.compile_defaults())
    return gan


@pytest.mark.slow
def test_a_model_trains_on_records_read_by_index(data_dir):
    x, y = load_tfds("in_array_record", data_dir=data_dir)
    gan = make_gan()
    data = PoissonDataset(x, y, expected_batch_size=5, workers=2)
    gan.fit(data, epochs=1, verbose=0)
    assert gan.num_discriminator_updates == 6
    assert gan.privacy_history.entries[0].sampling_probability == 5 / N


@pytest.mark.parametrize("file_format", ["array_record", "tfrecord"])
def test_images_of_many_sizes_are_resized_one_by_one(data_dir, file_format):
    x, y = load_tfds(
        f"photos_{file_format}",
        data_dir=data_dir,
        pixel_range=(0, 255),
        image_size=(6, 5),
    )
    assert y is None
    assert x.shape == (4, 6, 5, 3)
    for i, image in enumerate(np.asarray(x)):
        np.testing.assert_array_equal(image, 50 * i)


def test_images_of_many_sizes_need_a_size(data_dir):
    with pytest.raises(ValueError, match="give `image_size`.*Received: name='photos"):
        load_tfds("photos_tfrecord", data_dir=data_dir)
    with pytest.raises(ValueError, match="`image_size` must be a pair.*Received"):
        load_tfds("photos_tfrecord", data_dir=data_dir, image_size=8)


def test_generated_images_are_stored_with_their_privacy_card(tmp_path):
    gan = make_gan()
    x = np.zeros((N, *SHAPE), np.float32)
    gan.fit(x, np.arange(N) % 3, batch_size=5, epochs=1, verbose=0)
    gan.export(tmp_path / "generator")
    folder = write_tfds(tmp_path / "generator", "synthetic", 1100, tmp_path / "data")
    assert folder == tmp_path / "data" / "synthetic" / "1.0.0"
    splits, info = tfds.load("synthetic", data_dir=tmp_path / "data", with_info=True)
    assert set(splits) == {"train"}
    assert len(splits["train"]) == 1100
    card = info.metadata["privacy_card"]
    assert card["guarantee"]["epsilon"] == gan.epsilon()
    assert card["summary"] in info.description
    stored = next(iter(splits["train"].batch(1100)))
    assert stored["image"].shape == (1100, *SHAPE)
    assert stored["image"].dtype == tf.uint8
    assert len(np.unique(stored["image"], axis=0)) == 1100
    assert set(stored["label"].numpy()) == {0, 1, 2}


def test_generated_images_are_read_by_our_loader(tmp_path):
    gan = make_gan(None)
    write_tfds(gan, "synthetic", 3, tmp_path)
    x, y = load_tfds("synthetic", data_dir=tmp_path)
    assert x.shape == (3, *SHAPE)
    assert y is None


def test_generated_vectors_are_stored_exactly(tmp_path):
    gan = helpers.make_gan()
    drawn = []
    sample = gan.sample

    def remember(n):
        drawn.append(sample(n))
        return drawn[-1]

    gan.sample = remember
    write_tfds(gan, "synthetic", 5, tmp_path)
    stored = tfds.load("synthetic", split="train", data_dir=tmp_path)
    np.testing.assert_array_equal([e["x"] for e in stored], drawn[0][0])
    np.testing.assert_array_equal([e["label"] for e in stored], drawn[0][1])
    metadata = tfds.builder("synthetic", data_dir=tmp_path).info.metadata
    assert not metadata["privacy_card"]["private"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "`n` must be an integer of at least 1. Received: n=0"),
        ({"n": -1}, "`n` must be an integer of at least 1. Received: n=-1"),
        (
            {"name": "My Data"},
            "must consist of lower-case.*Received: name='My Data'",
        ),
    ],
)
def test_bad_arguments_are_named_and_nothing_is_stored(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        write_tfds(
            helpers.make_gan(),
            **{"name": "synthetic", "n": 3, **arguments},
            data_dir=tmp_path,
        )
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_is_refused(tmp_path):
    gan = helpers.make_gan()
    write_tfds(gan, "synthetic", 3, tmp_path)
    with pytest.raises(FileExistsError, match="`name` must be.*name='synthetic'"):
        write_tfds(gan, "synthetic", 3, tmp_path)


def test_a_name_that_tfds_does_not_know_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no_such_data"):
        load_tfds("no_such_data", data_dir=tmp_path)


def load_example():
    path = EXAMPLES / "prepare_fashion_mnist.py"
    spec = importlib.util.spec_from_file_location("prepare_fashion_mnist", path)
    module = importlib.util.module_from_spec(spec)
    # It would quiet TensorFlow in the tests that come after.
    with mock.patch("quiet.start"):
        spec.loader.exec_module(module)
    return module


def write_idx(path, array):
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    path.write_bytes(head + array.tobytes())


@pytest.fixture
def idx_dir(tmp_path):
    """A folder of IDX files with seven images for training and three others."""
    folder = tmp_path / "idx"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part, n in (("train", 7), ("t10k", 3)):
        pixels = rng.integers(0, 256, (n, 28, 28), np.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte", pixels)
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.arange(n, dtype=np.uint8))
    return folder


def test_local_fashion_mnist_is_served_by_tfds(idx_dir, tmp_path):
    example = load_example()
    example.prepare(tmp_path / "data", idx_dir)
    splits, info = tfds.load(
        "fashion_mnist",
        data_dir=tmp_path / "data",
        download=False,
        with_info=True,
        as_supervised=True,
    )
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 7,
        "test": 3,
    }
    assert info.features["label"].names[9] == "Ankle boot"
    stored = {int(y): np.asarray(x) for x, y in splits["train"]}
    pixels = (idx_dir / "train-images-idx3-ubyte").read_bytes()[16:]
    expected = np.frombuffer(pixels, np.uint8).reshape(7, 28, 28, 1)
    for label in range(7):
        np.testing.assert_array_equal(stored[label], expected[label])


def test_local_fashion_mnist_is_read_by_index(idx_dir, tmp_path):
    example = load_example()
    example.prepare(tmp_path / "data", idx_dir, "array_record")
    source = tfds.data_source("fashion_mnist", split="test", data_dir=tmp_path / "data")
    assert len(source) == 3
    x, y = load_tfds("fashion_mnist", "test", tmp_path / "data", download=False)
    assert sorted(np.asarray(y)) == [0, 1, 2]
    with pytest.raises(FileExistsError, match="as array_record: give another"):
        example.prepare(tmp_path / "data", idx_dir)


def test_fashion_mnist_that_is_nowhere_says_how_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="apt install"):
        load_example().prepare(tmp_path / "data", tmp_path)
