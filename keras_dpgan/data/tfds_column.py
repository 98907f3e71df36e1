"""One feature of a TFDS data set, read by index from disk."""

import numpy as np
import tensorflow as tf

from keras_dpgan.data.disk_column import DiskColumn


class TfdsColumn(DiskColumn):
    """One feature of all records, as an array whose rows are read when needed.

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
        super().__init__(len(self._source))

    def read(self, indices):
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
