"""One feature of a TFDS data set, read by index from disk."""

import numpy as np
import tensorflow as tf


class TfdsColumn:
    """One feature of all records, as an array whose rows are read when needed.

    It has what `PoissonDataset` needs of an array: `shape`, `dtype`, a length, and
    rows for an int, a slice or an array of ints. `numpy.asarray` reads all rows.
    TensorFlow parses the records and does not work after a fork, so use threads
    (`workers`) and not `use_multiprocessing`.

    Args:
        builder: A prepared `tfds.core.DatasetBuilder` with files of the format
            `array_record`.
        split: String, as in `tfds.load`.
        feature: String, the name of the feature.
        image_size: Pair of ints, to which images are resized. Defaults to `None`.
        transform: Callable of an array of rows that changes each row by itself.
            Defaults to `None`: ints become int32.
    """

    def __init__(self, builder, split, feature, image_size=None, transform=None):
        import tensorflow_datasets as tfds

        self._source = builder.as_data_source(
            split,
            deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES,
            file_format=tfds.core.FileFormat.ARRAY_RECORD,
        )
        self._parse = _parser(tfds, builder.info.features, feature, image_size)
        self._transform = transform or _to_int32
        empty = self._read([])
        self.shape = (len(self._source), *empty.shape[1:])
        self.dtype = empty.dtype

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self._read(range(*index.indices(len(self))))
        index = np.asarray(index)
        if index.dtype.kind not in "iu" or index.ndim > 1:
            raise IndexError(
                "`index` must be an int, a slice or a one-dimensional array of "
                f"ints. Received: {index.dtype} of shape {index.shape}"
            )
        rows = self._read(np.atleast_1d(index))
        return rows if index.ndim else rows[0]

    def __array__(self, dtype=None, copy=None):
        del copy
        rows = self[:]
        return rows if dtype is None else rows.astype(dtype)

    def _read(self, indices):
        serialized = self._source.__getitems__([int(i) for i in indices])
        with tf.device("CPU"):
            rows = self._parse(tf.constant([bytes(s) for s in serialized], tf.string))
        return self._transform(rows.numpy())


def resize(image, size):
    """Resizes one uint8 image by itself, so that no record influences another.

    Args:
        image: uint8 tensor of shape `(height, width, channels)`.
        size: Pair `(height, width)`.

    Returns:
        A uint8 tensor of shape `(*size, channels)`.
    """
    resized = tf.image.resize(image, size, antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)


def _parser(tfds, features, feature, image_size):
    """A graph that turns serialized records into the rows of one feature."""
    skipped = {
        name: tfds.decode.SkipDecoding()
        for name, other in features.items()
        if isinstance(other, tfds.features.Image) and name != feature
    }
    spec = features[feature].get_tensor_spec()
    if image_size is not None:
        spec = tf.TensorSpec((*image_size, spec.shape[-1]), tf.uint8)

    def parse_one(serialized):
        row = features.deserialize_example(serialized, decoders=skipped)[feature]
        return row if image_size is None else resize(row, image_size)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
    def parse(serialized):
        return tf.map_fn(parse_one, serialized, fn_output_signature=spec)

    return parse


def _to_int32(rows):
    return rows.astype(np.int32)
