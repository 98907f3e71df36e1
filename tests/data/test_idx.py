import gzip
import struct
import tracemalloc

import numpy as np
import pytest

from keras_dpgan.data import read_idx

CODES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}
ARRAY = np.arange(24).reshape(2, 3, 4)


def header(code, *dimensions):
    rank = len(dimensions)
    return bytes([0, 0, code, rank]) + struct.pack(f">{rank}I", *dimensions)


def idx_bytes(array, dtype="u1"):
    return header(CODES[dtype], *array.shape) + array.astype(dtype).tobytes()


@pytest.fixture
def write(tmp_path):
    def write(content, compress=False):
        path = tmp_path / "file"
        path.write_bytes(gzip.compress(content) if compress else content)
        return path

    return write


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("dtype", CODES)
def test_every_type_is_read_in_native_order(write, dtype, compress):
    array = read_idx(write(idx_bytes(ARRAY, dtype), compress))
    np.testing.assert_array_equal(array, ARRAY)
    assert array.dtype == np.dtype(dtype).newbyteorder("=")
    assert array.flags.writeable


def test_a_file_of_no_items_is_an_empty_array(write):
    assert read_idx(write(header(8, 0, 28, 28))).shape == (0, 28, 28)


FAULTS = {
    "empty": (b"", "Not an IDX file"),
    "three_bytes": (b"\0\0\x08", "Not an IDX file"),
    "other_magic": (b"PNG\x01" + bytes(8), "Not an IDX file"),
    "unknown_type": (header(7, 4) + bytes(4), "Not an IDX file"),
    "no_dimension": (header(8), "1 to 8 dimensions.* 0"),
    "many_dimensions": (header(8, *[1] * 200) + b"1", "1 to 8 dimensions.* 200"),
    "cut_header": (header(8, 3, 4)[:-1], "truncated within its header"),
    "cut": (idx_bytes(ARRAY)[:-1], "truncated: 24 bytes claimed, 23 found"),
    "cut_item": (idx_bytes(ARRAY, ">f8")[:-8], "truncated: 192 .* 184 found"),
    "longer": (idx_bytes(ARRAY) + b"\0", "more than the 24 bytes"),
    "overflow": (header(8, *[2**32 - 1] * 8), "claims .* above the limit"),
    "above_limit": (header(14, 2**27 + 1), "claims .* above the limit"),
}


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_whole_idx_file_is_refused(write, fault, compress):
    content, message = FAULTS[fault]
    path = write(content, compress)
    with pytest.raises(ValueError, match=f"{message}.*Received: path=.*file"):
        read_idx(path)


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-9], lambda b: b[:20], lambda b: b[:3000] + b"\xff" * 9 + b[3009:]],
    ids=["without_end", "without_data", "overwritten"],
)
def test_damaged_gzip_files_are_refused(tmp_path, damage):
    content = np.random.default_rng(0).bytes(5000)
    path = tmp_path / "file.gz"
    path.write_bytes(damage(gzip.compress(header(8, 5000) + content)))
    with pytest.raises(ValueError, match="damaged or truncated"):
        read_idx(path)


@pytest.mark.parametrize("claimed", [16, 2**30])
def test_memory_follows_neither_a_lying_header_nor_a_gzip_bomb(write, claimed):
    bomb = gzip.compress(header(8, claimed) + bytes(2**26))
    assert len(bomb) < 2**17
    path = write(bomb)
    tracemalloc.start()
    with pytest.raises(ValueError, match="more than|truncated"):
        read_idx(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (2**22 if claimed == 16 else 2**28)
