import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan.data import PoissonDataset
from keras_dpgan.data import scale_to_range

ROWS = np.arange(30, dtype="float32").reshape(10, 3)
LABELS = np.arange(10, dtype="int32")


class DataSource:
    """Random access as TFDS' `data_source` has it: dicts, by integer."""

    def __len__(self):
        return len(ROWS)

    def __getitem__(self, index):
        return {"image": ROWS[index], "label": LABELS[index]}


class BatchedDataSource(DataSource):
    def __getitems__(self, indices):
        return [self[i] for i in indices]


class Frame:
    """What matters of a data frame: brackets select by label."""

    def __init__(self, values):
        self.iloc = self
        self.values = values

    def __len__(self):
        return len(self.values)

    def __getitem__(self, key):
        raise KeyError(key)

    def to_numpy(self):
        return self.values


def memory_map(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, ROWS)
    return np.load(path, mmap_mode="r")


def hdf5(tmp_path):
    path = tmp_path / "rows.h5"
    with h5py.File(path, "w") as file:
        file["rows"] = ROWS
    return h5py.File(path)["rows"]


SOURCES = {
    "numpy": lambda tmp_path: ROWS,
    "memmap": memory_map,
    "hdf5": hdf5,
    "list": lambda tmp_path: list(ROWS),
    "tensor": lambda tmp_path: tf.constant(ROWS),
    "frame": lambda tmp_path: Frame(ROWS),
}


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_every_source_gives_the_same_rows(make, tmp_path):
    dataset = PoissonDataset(make(tmp_path), LABELS, sampling_probability=0.2, seed=5)
    assert dataset.element_shapes == ((3,), ())
    sizes = set()
    for _ in range(20):
        for x, y in dataset:
            assert type(x) is np.ndarray
            assert x.dtype == np.float32
            np.testing.assert_array_equal(x, ROWS[y])
            sizes.add(len(x))
        dataset.on_epoch_end()
    assert 0 in sizes
    assert max(sizes) > 1


@pytest.mark.parametrize("source", [DataSource(), BatchedDataSource()])
def test_a_transform_makes_rows_of_dicts(source):
    dataset = PoissonDataset(
        source,
        sampling_probability=1,
        transform=lambda record: (record["image"], record["label"]),
    )
    x, y = dataset[0]
    np.testing.assert_array_equal(x, ROWS)
    np.testing.assert_array_equal(y, LABELS)


def test_a_transform_sees_one_row_at_a_time():
    pixels = np.arange(6 * 4, dtype="uint8").reshape(6, 2, 2)
    dataset = PoissonDataset(
        pixels,
        LABELS[:6],
        sampling_probability=1,
        transform=lambda image, label: (scale_to_range(image)[..., None], label + 1),
    )
    assert dataset.element_shapes == ((2, 2, 1), ())
    x, y = dataset[0]
    np.testing.assert_array_equal(x, scale_to_range(pixels)[..., None])
    np.testing.assert_array_equal(y, LABELS[:6] + 1)


def test_a_transform_never_sees_an_empty_batch():
    dataset = PoissonDataset(
        ROWS, sampling_probability=1e-12, transform=lambda row: row.max(keepdims=True)
    )
    (x,) = dataset[0]
    assert x.shape == (0, 1)
    assert x.dtype == np.float32


def test_items_that_are_pairs_are_rows_and_labels():
    pairs = list(zip(ROWS, LABELS, strict=True))
    x, y = PoissonDataset(pairs, sampling_probability=1)[0]
    np.testing.assert_array_equal(x, ROWS)
    np.testing.assert_array_equal(y, LABELS)


def test_a_memory_map_is_not_read_whole(tmp_path):
    path = tmp_path / "large.npy"
    large = np.lib.format.open_memmap(path, "w+", "uint8", (2**20, 2**20))
    dataset = PoissonDataset(large, expected_batch_size=2)
    assert dataset.num_examples == 2**20
    assert dataset[0][0].shape[1:] == (2**20,)


@pytest.mark.parametrize(
    "x",
    [
        "rows",
        {"image": ROWS},
        5,
        iter(ROWS),
        tf.data.Dataset.from_tensor_slices(ROWS),
        PoissonDataset(ROWS, sampling_probability=1),
    ],
    ids=lambda x: type(x).__name__,
)
def test_what_cannot_be_read_by_index_is_refused_by_name(x):
    with pytest.raises(
        TypeError, match="`x` must be (an|one) array.*Received: x of type"
    ):
        PoissonDataset(x, expected_batch_size=2)


def test_sparse_matrices_are_refused_with_a_remedy():
    from scipy import sparse

    with pytest.raises(TypeError, match="toarray"):
        PoissonDataset(sparse.csr_matrix(ROWS), expected_batch_size=2)


def test_dicts_without_a_transform_are_refused_with_a_remedy():
    with pytest.raises(ValueError, match=r"`transform`.*record\[\"image\"\]"):
        PoissonDataset(DataSource(), expected_batch_size=2)


def test_records_of_several_shapes_are_refused():
    ragged = [np.zeros(2), np.zeros(3)]
    dataset = PoissonDataset(ragged, sampling_probability=1)
    with pytest.raises(ValueError, match="the same shape"):
        dataset[0]


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (ROWS[:0], None, "`x` must hold at least one record"),
        ([], None, "`x` must hold at least one record"),
        (ROWS, LABELS[:9], r"same length.*len\(x\)=10, len\(y\)=9"),
        (np.float32(1), None, "`x` must have a first axis"),
        (ROWS, np.int32(1), "`y` must have a first axis"),
    ],
)
def test_empty_or_unequal_data_are_refused(x, y, message):
    with pytest.raises(ValueError, match=message):
        PoissonDataset(x, y, sampling_probability=0.5)


def test_a_transform_that_cannot_be_called_is_refused():
    with pytest.raises(TypeError, match="`transform` must be a callable"):
        PoissonDataset(ROWS, sampling_probability=0.5, transform="scale")


def test_keras_tensors_of_any_backend_are_read():
    x = keras.ops.convert_to_tensor(ROWS)
    (rows,) = PoissonDataset(x, sampling_probability=1)[0]
    np.testing.assert_array_equal(rows, ROWS)
