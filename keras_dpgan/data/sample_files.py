"""Writes generated rows to files in chunks, so that they need not fit in memory."""

import math
import shutil
import tempfile
import zipfile

import numpy as np
import tensorflow as tf

from keras_dpgan._utils.files import complete_file
from keras_dpgan.data.scaling import to_uint8

_MAX_PIXELS = 2**26
_FLOAT = "<f4"
_INT = "<i4"


def write_samples(path, batches, n, row_shape, pixel_range):
    """Writes rows in the format that the suffix of `path` names.

    - `.npz`: arrays `x`, float32 of shape `(n, *row_shape)`, and, if there are
      labels, `y`, int32 of shape `(n,)`, or conditions of shape `(n, d)`, int32 or
      float32; read it with `numpy.load`.
    - `.tfrecord`: a `tf.train.Example` per row, with `image` (a PNG) or, if rows are
      not images, `x` (floats), and with `label`, or `condition`.
    - `.png`: all rows in one picture, sorted by label.

    Args:
        path: The file to write or to replace.
        batches: Iterator of arrays of rows, or of pairs of rows and labels.
        n: Positive int, the number of rows of all batches together.
        row_shape: Tuple, the shape of one row.
        pixel_range: Pair of floats, the values of black and white; `None` if rows
            are not images.

    Raises:
        ValueError: If the format is unknown, or rows cannot be drawn.
    """
    writers = {".npz": _write_npz, ".tfrecord": _write_tfrecord, ".png": _write_png}
    if path.suffix not in writers:
        raise ValueError(
            f"`path` must end in {', '.join(writers)}. Received: path={str(path)!r}"
        )
    if path.suffix == ".png":
        _check_picture(n, row_shape, pixel_range)
    with complete_file(path) as file:
        writers[path.suffix](file, batches, n, tuple(row_shape), pixel_range)


def is_image(row_shape, pixel_range):
    """Whether rows of this shape and range can be stored as PNG images."""
    return (
        pixel_range is not None and len(row_shape) == 3 and row_shape[-1] in (1, 3, 4)
    )


def rows_and_labels(batch):
    """The result of a generator's `sample` as a pair, with `None` for no labels."""
    return batch if isinstance(batch, tuple) else (batch, None)


def _write_npz(path, batches, n, row_shape, pixel_range):
    del pixel_range
    with zipfile.ZipFile(path, "w") as archive, tempfile.TemporaryFile() as spool:
        # A zip file takes one member at a time, so labels wait in a temporary file.
        with archive.open("x.npy", "w", force_zip64=True) as file:
            _write_header(file, _FLOAT, (n, *row_shape))
            for batch in batches:
                rows, labels = rows_and_labels(batch)
                file.write(np.ascontiguousarray(rows, _FLOAT).data)
                if labels is not None:
                    dtype = _INT if labels.dtype.kind in "iu" else _FLOAT
                    spool.write(np.ascontiguousarray(labels, dtype).data)
        if spool.tell():
            spool.seek(0)
            with archive.open("y.npy", "w", force_zip64=True) as file:
                _write_header(file, dtype, (n, *labels.shape[1:]))
                shutil.copyfileobj(spool, file)


def _write_header(file, dtype, shape):
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _write_tfrecord(path, batches, n, row_shape, pixel_range):
    del n
    images = is_image(row_shape, pixel_range)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for batch in batches:
            rows, labels = rows_and_labels(batch)
            if images:
                rows = to_uint8(rows, pixel_range)
            for i, row in enumerate(rows):
                features = {"image": _png(row)} if images else {"x": _floats(row)}
                if labels is not None and labels.ndim > 1:
                    features["condition"] = _floats(labels[i])
                elif labels is not None:
                    features["label"] = _int(labels[i])
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())


def _png(image):
    encoded = tf.io.encode_png(image).numpy()
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded]))


def _floats(row):
    return tf.train.Feature(float_list=tf.train.FloatList(value=row.ravel()))


def _int(label):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[int(label)]))


def _write_png(path, batches, n, row_shape, pixel_range):
    parts = [rows_and_labels(batch) for batch in batches]
    images = to_uint8(np.concatenate([rows for rows, _ in parts]), pixel_range)
    if parts[0][1] is not None and parts[0][1].ndim == 1:
        order = np.concatenate([labels for _, labels in parts]).argsort(kind="stable")
        images = images[order]
    height, width, channels = row_shape
    columns = math.ceil(math.sqrt(n))
    lines = math.ceil(n / columns)
    cells = np.zeros((lines * columns, height, width, channels), np.uint8)
    cells[:n] = images
    picture = cells.reshape(lines, columns, height, width, channels).swapaxes(1, 2)
    picture = picture.reshape(lines * height, columns * width, channels)
    path.write_bytes(tf.io.encode_png(picture).numpy())


def _check_picture(n, row_shape, pixel_range):
    if not is_image(row_shape, pixel_range):
        raise ValueError(
            "A `.png` picture needs rows that are images with a known range of pixels. "
            f"Write `.npz` or `.tfrecord`. Received: rows of shape {tuple(row_shape)} "
            f"in the range {pixel_range}"
        )
    most = _MAX_PIXELS // (row_shape[0] * row_shape[1])
    if n > most:
        raise ValueError(
            f"One picture can contain at most {most} images of this size. Write `.npz` "
            f"or `.tfrecord`, or draw fewer. Received: n={n}"
        )
