"""IDX files from anybody."""

import gzip
import math
import struct

import hypothesis
import hypothesis.strategies as st
import numpy as np
from hostile.damage import SETTINGS
from hostile.damage import damaged

from keras_dpgan.data import read_idx

IMAGES = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 3, 4) + bytes(range(24))
FLOATS = bytes([0, 0, 13, 1]) + struct.pack(">I", 5) + bytes(range(20))
GZIPPED = gzip.compress(IMAGES, mtime=0)


def read_or_refuse(path, content):
    """The array, or `None` where the file was refused with its name."""
    path.write_bytes(content)
    try:
        return read_idx(path)
    except ValueError as error:
        assert "Received: path=" in str(error)
        return None


@SETTINGS
@hypothesis.given(content=damaged(IMAGES) | damaged(FLOATS) | damaged(GZIPPED))
def test_a_damaged_file_is_read_as_its_header_says_or_refused(tmp_path, content):
    array = read_or_refuse(tmp_path / "file", content)
    if array is not None:
        raw = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        rank = raw[3]
        assert array.shape == struct.unpack(f">{rank}I", raw[4 : 4 + 4 * rank])
        assert array.nbytes == len(raw) - 4 - 4 * rank


@SETTINGS
@hypothesis.given(
    code=st.integers(0, 255),
    shape=st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 4), max_size=10),
    compress=st.booleans(),
    values=st.binary(max_size=64),
)
def test_a_header_that_lies_is_refused(tmp_path, code, shape, compress, values):
    header = bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    content = header + values
    content = gzip.compress(content) if compress else content
    array = read_or_refuse(tmp_path / "file", content)
    if array is not None:
        assert array.nbytes == len(values)
        assert array.size == math.prod(shape)
        assert np.array_equal(array.shape, shape)
