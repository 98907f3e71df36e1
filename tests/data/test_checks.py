import ml_dtypes
import numpy as np
import pytest

from keras_dpgan.data import PoissonDataset
from keras_dpgan.data import check_records
from keras_dpgan.data import scale_to_range

SHAPE = (4, 4, 1)
N = 12


def images(dtype="float32"):
    return np.random.default_rng(0).uniform(-1, 1, (N, *SHAPE)).astype(dtype)


def labels(dtype="int32"):
    return (np.arange(N) % 3).astype(dtype)


def check(x, y=None, num_classes=None, value_range=(-1.0, 1.0)):
    check_records(x, y, SHAPE, num_classes, value_range)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ml_dtypes.bfloat16])
def test_fitting_records_pass(dtype):
    check(images(dtype))
    check(images(dtype), value_range=None)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "int64"])
def test_fitting_labels_pass(dtype):
    check(images(), labels(dtype), num_classes=3)


def test_pixels_scaled_from_bytes_touch_the_bounds_and_pass():
    pixels = np.arange(256, dtype="uint8").reshape(16, *SHAPE)
    for bounds in ((-1.0, 1.0), (0.0, 1.0), (-0.3, 0.7)):
        check_records(scale_to_range(pixels, bounds), None, SHAPE, None, bounds)


def test_sizes_that_vary_are_allowed_where_the_model_allows_them():
    check_records(images(), None, (None, None, 1))


def test_a_poisson_dataset_is_checked_as_it_will_be_drawn():
    def dataset(offset):
        return PoissonDataset(
            images(),
            labels(),
            sampling_probability=0.5,
            transform=lambda image, label: (image / 2, label + offset),
        )

    check(dataset(0), num_classes=3)
    with pytest.raises(ValueError, match=r"`y` must lie in \[0, 3\)"):
        check(dataset(1), num_classes=3)


@pytest.mark.parametrize(
    ("x", "remedy"),
    [
        (images()[..., 0], r"x = x\[\.\.\., None\]"),
        (images()[..., None], r"x = x\[\.\.\., 0\]"),
        (np.moveaxis(images(), -1, 1), r"np\.moveaxis\(x, 1, -1\)"),
        (images().reshape(N, -1), r"x\.reshape\(\(-1, 4, 4, 1\)\)"),
        (np.zeros((N, 5, 4, 1), "float32"), r"Received: records of shape \(5, 4, 1\)"),
    ],
)
def test_a_wrong_shape_is_named_with_its_remedy(x, remedy):
    with pytest.raises(
        ValueError, match=rf"`x` must hold records of shape \(4, 4, 1\).*{remedy}"
    ):
        check(x)


@pytest.mark.parametrize(
    ("dtype", "remedy"),
    [
        ("uint8", r"scale_to_range\(x, \(-1\.0, 1\.0\)\)"),
        ("int64", "as one-hot rows"),
        ("bool", "astype"),
        ("object", "astype"),
        ("str", "Encode"),
    ],
)
def test_records_that_are_no_floats_are_refused_with_a_remedy(dtype, remedy):
    with pytest.raises(ValueError, match=f"`x` must hold floats.*{remedy}"):
        check(np.ones((N, *SHAPE)).astype(dtype))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("bounds", [None, (-1.0, 1.0)])
def test_the_first_record_that_is_not_finite_is_named(value, bounds):
    x = images()
    x[7, 1, 2, 0] = value
    x[9] = value
    with pytest.raises(ValueError, match="`x` must be finite.*record 7$"):
        check(x, value_range=bounds)


def test_pixels_out_of_range_are_refused_with_a_remedy():
    x = 255 * np.abs(images())
    with pytest.raises(
        ValueError, match=r"scale_to_range\(x, \(-1\.0, 1\.0\), source_range=\(0, 255\)"
    ):
        check(x)
    with pytest.raises(ValueError, match=r"`x` must lie in \(0\.0, 1\.0\)"):
        check(images(), value_range=(0.0, 1.0))


@pytest.mark.parametrize(
    ("y", "remedy"),
    [
        (None, "`y` must give a label.*conditional.*Received: y=None"),
        (labels()[:, None], r"y = y\[:, 0\]"),
        (np.eye(3)[labels()], r"one-hot: `y = np\.argmax\(y, axis=-1\)`"),
        (labels("float32"), r'y\.astype\("int32"\)'),
        (labels("str"), "number the classes"),
        (labels("object"), r'y\.astype\("int32"\)'),
        (labels() - 1, "Received: labels from -1 to 1"),
        (labels() + 1, "start at 1: `y = y - 1`.*Received: labels from 1 to 3"),
        (labels() + 2, "Received: labels from 2 to 4"),
    ],
)
def test_wrong_labels_are_refused_with_a_remedy(y, remedy):
    with pytest.raises(ValueError, match=remedy):
        check(images(), y, num_classes=3)


def test_labels_that_the_model_does_not_take_are_refused():
    with pytest.raises(ValueError, match=r"`y` must be None.*Received: y of shape"):
        check(images(), labels())


@pytest.mark.parametrize("fault", ["nan", "range", "label"])
def test_every_chunk_of_a_memory_map_is_looked_at(tmp_path, fault):
    n = 3 * 2**20
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", "float32", (n, 8))
    y = np.lib.format.open_memmap(tmp_path / "y.npy", "w+", "int32", (n,))
    check_records(x, y, (8,), 3, (-1.0, 1.0))
    if fault == "label":
        y[-1] = 3
    else:
        x[-1, -1] = np.nan if fault == "nan" else 2
    expected = {"nan": f"record {n - 1}", "range": "to 2$", "label": "from 0 to 3"}
    with pytest.raises(ValueError, match=expected[fault]):
        check_records(x, y, (8,), 3, (-1.0, 1.0))
