import builtins
import gzip
import struct

import numpy as np
import pytest

from keras_dpgan.data import fashion_mnist
from keras_dpgan.data import load_digits
from keras_dpgan.data import load_fashion_mnist
from keras_dpgan.data import load_tfds

PARTS = {"train": 7, "t10k": 3}


def write_idx(path, array, compress):
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    content = head + array.astype("u1").tobytes()
    if compress:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(content))
    else:
        path.write_bytes(content)


def write_fashion_mnist(folder, compress=False, side=28, labels=None):
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for part, n in PARTS.items():
        pixels = rng.integers(0, 256, (n, side, side))
        write_idx(folder / f"{part}-images-idx3-ubyte", pixels, compress)
        y = np.arange(n) if labels is None else labels
        write_idx(folder / f"{part}-labels-idx1-ubyte", y, compress)
    return folder


def test_digits_have_a_fixed_split_into_all_of_them():
    (x_train, y_train), (x_test, y_test) = load_digits()
    assert x_train.shape == (1437, 8, 8, 1)
    assert x_test.shape == (360, 8, 8, 1)
    assert x_train.dtype == x_test.dtype == np.float32
    assert y_train.dtype == y_test.dtype == np.int32
    assert (x_train.min(), x_train.max()) == (-1, 1)
    assert y_train[:8].tolist() == load_digits()[0][1][:8].tolist()
    # Every class is in both parts.
    assert np.bincount(y_train).min() > 120
    assert np.bincount(y_test).min() > 20


def test_digits_are_scaled_to_the_range_asked_for():
    x_train = load_digits((0.0, 1.0))[0][0]
    assert (x_train.min(), x_train.max()) == (0, 1)
    np.testing.assert_array_equal(x_train * 16, np.rint(x_train * 16))


@pytest.mark.parametrize("compress", [False, True])
def test_fashion_mnist_is_read_from_a_folder(tmp_path, compress):
    folder = write_fashion_mnist(tmp_path, compress)
    (x_train, y_train), (x_test, y_test) = load_fashion_mnist(folder, (0.0, 1.0))
    assert x_train.shape == (7, 28, 28, 1)
    assert x_test.shape == (3, 28, 28, 1)
    assert x_train.dtype == np.float32
    assert 0 <= x_train.min() < 0.1 < 0.9 < x_train.max() <= 1
    assert y_train.dtype == np.int32
    assert y_train.tolist() == list(range(7))
    assert y_test.tolist() == [0, 1, 2]


def test_fashion_mnist_is_read_from_debians_package(tmp_path, monkeypatch):
    folder = write_fashion_mnist(tmp_path, compress=True)
    monkeypatch.setattr(fashion_mnist, "DEBIAN_DIR", folder)
    assert load_fashion_mnist()[0][0].shape == (7, 28, 28, 1)


@pytest.mark.skipif(
    not fashion_mnist.DEBIAN_DIR.is_dir(), reason="needs dataset-fashion-mnist"
)
def test_debians_package_holds_seventy_thousand_images():
    (x_train, y_train), (x_test, y_test) = load_fashion_mnist()
    assert x_train.shape == (60000, 28, 28, 1)
    assert x_test.shape == (10000, 28, 28, 1)
    assert np.bincount(y_train).tolist() == [6000] * 10
    assert np.bincount(y_test).tolist() == [1000] * 10


def test_a_folder_without_the_files_says_both_ways_to_get_them(tmp_path):
    with pytest.raises(
        FileNotFoundError,
        match=r"dataset-fashion-mnist.*`data_dir`.*Received: data_dir",
    ):
        load_fashion_mnist(tmp_path)


def test_without_files_or_tfds_both_ways_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr(fashion_mnist, "DEBIAN_DIR", tmp_path / "absent")
    hide(monkeypatch, "tensorflow_datasets")
    with pytest.raises(
        FileNotFoundError,
        match="not on this machine.*apt install.*tensorflow_datasets.load",
    ):
        load_fashion_mnist()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"side": 27}, r"uint8 of shape \(n, 28, 28\).*\(7, 27, 27\)"),
        ({"labels": np.arange(5)}, r"uint8 of shape \(7,\).*\(5,\)"),
        ({"labels": np.full(7, 10)}, r"lie in \[0, 10\).*10"),
    ],
)
def test_files_that_hold_something_else_are_refused(tmp_path, fault, message):
    with pytest.raises(ValueError, match=message):
        load_fashion_mnist(write_fashion_mnist(tmp_path, **fault))


def hide(monkeypatch, package):
    """Makes an import fail as if the package were not installed."""
    real_import = builtins.__import__

    def import_without(name, *args, **kwargs):
        if name.split(".")[0] == package:
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", import_without)


@pytest.mark.parametrize(
    ("load", "package", "line"),
    [
        (load_digits, "sklearn", "pip install scikit-learn"),
        (lambda: load_tfds("mnist"), "tensorflow_datasets", "pip install tensorflow-d"),
    ],
)
def test_a_missing_package_is_named_with_its_pip_line(monkeypatch, load, package, line):
    hide(monkeypatch, package)
    with pytest.raises(ImportError, match=line):
        load()


def test_loaders_refuse_a_bad_range_before_they_read(tmp_path):
    for load in (
        load_digits,
        lambda pixel_range: load_fashion_mnist(tmp_path, pixel_range),
        lambda pixel_range: load_tfds("mnist", pixel_range=pixel_range),
    ):
        with pytest.raises(ValueError, match="`pixel_range` must be"):
            load(pixel_range=(1.0, -1.0))


@pytest.fixture(scope="module")
def tfds_dir(tmp_path_factory):
    """A folder in which TFDS finds two small data sets."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    folder = tmp_path_factory.mktemp("tfds")
    pixels = np.arange(6 * 4, dtype="uint8").reshape(6, 2, 2, 1) * 10
    image = tfds.features.Image(shape=(2, 2, 1))
    label = tfds.features.ClassLabel(num_classes=3)
    numbers = tfds.features.Tensor(shape=(2,), dtype=np.float32)
    for name, features, columns in (
        ("labelled", {"image": image, "label": label}, {"image": pixels}),
        ("unlabelled", {"image": image}, {"image": pixels}),
        ("no_images", {"numbers": numbers}, {"numbers": np.zeros((6, 2), "f")}),
    ):
        if "label" in features:
            columns["label"] = np.arange(6) % 3
        tfds.dataset_builders.store_as_tfds_dataset(
            name=name,
            version="1.0.0",
            features=tfds.features.FeaturesDict(features),
            split_datasets={"train": tf.data.Dataset.from_tensor_slices(columns)},
            data_dir=folder,
        )
    return folder


def test_a_prepared_tfds_data_set_is_read_by_name(tfds_dir):
    x, y = load_tfds("labelled", data_dir=tfds_dir, pixel_range=(0, 255))
    assert x.shape == (6, 2, 2, 1)
    assert x.dtype == np.float32
    assert y.dtype == np.int32
    # TFDS stores records in an order of its own.
    order = np.argsort(x[:, 0, 0, 0])
    np.testing.assert_array_equal(x[order].ravel(), np.arange(24) * 10)
    assert y[order].tolist() == [0, 1, 2, 0, 1, 2]


def test_a_part_of_a_tfds_split_is_read(tfds_dir):
    assert len(load_tfds("labelled", "train[:4]", data_dir=tfds_dir)[0]) == 4


def test_a_tfds_data_set_without_labels_gives_none(tfds_dir):
    x, y = load_tfds("unlabelled", data_dir=tfds_dir)
    assert x.shape == (6, 2, 2, 1)
    assert y is None


def test_a_tfds_data_set_without_images_is_refused_by_name(tfds_dir):
    with pytest.raises(ValueError, match="feature `image`.*Received: name='no_images'"):
        load_tfds("no_images", data_dir=tfds_dir)


@pytest.mark.parametrize("download", [False, True])
def test_a_tfds_data_set_that_is_not_there_says_how_to_prepare_it(
    tmp_path, monkeypatch, download
):
    import tensorflow_datasets as tfds

    def fail(self, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    reason = "no network" if download else "`download=False`"
    with pytest.raises(
        RuntimeError, match=f"{reason}.*tfds.builder.'mnist', data_dir="
    ):
        load_tfds("mnist", data_dir=tmp_path, download=download)
