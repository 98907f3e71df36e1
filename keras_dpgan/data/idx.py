"""A strict reader of IDX files, the format of the MNIST family.

The format: two zero bytes, a byte for the type, a byte for the number of
dimensions, each dimension as a big-endian uint32, then the values. Source:
http://yann.lecun.com/exdb/mnist/.
"""

import gzip
import math
import os
import struct
import zlib

import numpy as np

MAX_IDX_BYTES = 2**30
"""What a header may claim. Larger files need a format that can be mapped."""

_DTYPES = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_MAX_DIMENSIONS = 8
_READ_BYTES = 2**20


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Reads an IDX file, raw or compressed by gzip.

    Memory never holds more than the header claims, so that a small compressed file
    cannot expand without bound.

    Source: LeCun, Cortes and Burges, "The MNIST Database of Handwritten Digits", for
    the format.

    Examples:
        >>> import numpy as np
        >>> import struct
        >>> header = struct.pack(">BBBBI", 0, 0, 8, 1, 3)  # Three uint8 in one axis.
        >>> with open("labels-idx1-ubyte", "wb") as file:
        ...     _ = file.write(header + bytes([5, 0, 4]))
        >>> dpgan.data.read_idx("labels-idx1-ubyte")
        array([5, 0, 4], dtype=uint8)

    Args:
        path: Path of the file. Its first two bytes show whether it is compressed.

    Returns:
        A writable array of the header's shape, in the machine's byte order.

    Raises:
        ValueError: If the file is no IDX file, is truncated or damaged, holds
            more than its header claims, or claims more than `MAX_IDX_BYTES`.
    """
    with open(path, "rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            if not compressed:
                return _read(raw, path)
            with gzip.GzipFile(fileobj=raw) as file:
                return _read(file, path)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(
                f"The gzip file is damaged or truncated ({error}). Fetch it again. "
                f"Received: path={os.fspath(path)!r}"
            ) from error


def _read(file, path):
    dtype, shape = _read_header(file, path)
    num_bytes = math.prod(shape) * dtype.itemsize
    if num_bytes > MAX_IDX_BYTES:
        raise ValueError(
            f"The header claims {num_bytes} bytes, above the limit of "
            f"{MAX_IDX_BYTES}. Received: path={os.fspath(path)!r}"
        )
    values = bytearray()
    # The file is read in pieces, because a single read would allocate the whole claimed
    # size even if the header is wrong.
    while len(values) < num_bytes:
        piece = file.read(min(_READ_BYTES, num_bytes - len(values)))
        if not piece:
            raise ValueError(
                f"The file is truncated: {num_bytes} bytes claimed, "
                f"{len(values)} found. Received: path={os.fspath(path)!r}"
            )
        values += piece
    if file.read(1):
        raise ValueError(
            f"The file holds more than the {num_bytes} bytes its header claims. "
            f"Received: path={os.fspath(path)!r}"
        )
    array = np.frombuffer(values, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_header(file, path):
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES:
        raise ValueError(
            f"Not an IDX file: it starts with {magic!r}. "
            f"Received: path={os.fspath(path)!r}"
        )
    rank = magic[3]
    if not 1 <= rank <= _MAX_DIMENSIONS:
        raise ValueError(
            f"An IDX file must have 1 to {_MAX_DIMENSIONS} dimensions; the header "
            f"claims {rank}. Received: path={os.fspath(path)!r}"
        )
    dimensions = file.read(4 * rank)
    if len(dimensions) < 4 * rank:
        raise ValueError(
            f"The file is truncated within its header. "
            f"Received: path={os.fspath(path)!r}"
        )
    return _DTYPES[magic[2]], struct.unpack(f">{rank}I", dimensions)
