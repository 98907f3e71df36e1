"""Which pixels a convolution's kernel meets at each position."""

import dataclasses
import functools
import math

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Window:
    """A kernel that slides over an image of any number of axes.

    Attributes:
        image: Tuple of ints, the image's spatial shape.
        kernel: Tuple of ints, the kernel's spatial shape.
        strides: Tuple of ints.
        dilation: Tuple of ints.
        padding: `"valid"`, `"same"` or `"causal"`.
    """

    image: tuple
    kernel: tuple
    strides: tuple
    dilation: tuple
    padding: str

    @property
    def taps(self):
        """The number of the kernel's entries."""
        return math.prod(self.kernel)

    @functools.cached_property
    def positions(self):
        """Tuple of ints, the spatial shape of the output."""
        return tuple(
            max(0, (size + before + after - reach) // stride + 1)
            for size, reach, stride, (before, after) in zip(
                self.image, self._reach, self.strides, self.margins, strict=True
            )
        )

    @property
    def _reach(self):
        return [
            (k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True)
        ]

    @functools.cached_property
    def margins(self):
        """Per axis, the rows of zeros `(before, after)` the image."""
        return [
            self._margin(*axis)
            for axis in zip(self.image, self._reach, self.strides, strict=True)
        ]

    def _margin(self, size, reach, stride):
        if self.padding == "valid":
            return 0, 0
        if self.padding == "causal":
            return reach - 1, 0
        # As TensorFlow pads: the odd row of zeros comes after.
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
        return total // 2, total - total // 2

    @functools.cached_property
    def overlap(self):
        """The most positions at which one pixel is met."""
        return math.prod(
            -(-kernel // (stride // math.gcd(stride, dilation)))
            for kernel, stride, dilation in zip(
                self.kernel, self.strides, self.dilation, strict=True
            )
        )

    def pixels(self):
        """The pixel at each position and tap.

        Returns:
            Int array of shape `(positions, taps, axes)`, in the image without
            its margins: an entry may lie outside.
        """
        starts = np.stack(
            np.unravel_index(np.arange(math.prod(self.positions)), self.positions), -1
        )
        offsets = np.stack(np.unravel_index(np.arange(self.taps), self.kernel), -1)
        before = np.array([m[0] for m in self.margins])
        return (starts * self.strides - before)[:, np.newaxis] + (
            offsets * self.dilation
        )[np.newaxis]


def extract(image, window):
    """The image's patches, one per position.

    Args:
        image: Tensor of shape `(rows, *window.image, channels)`.
        window: A `Window`.

    Returns:
        Tensor of shape `(rows, positions, taps, channels)`.
    """
    channels = image.shape[-1]
    padded = tf.pad(image, [(0, 0), *window.margins, (0, 0)])
    num_positions = math.prod(window.positions)
    if channels <= 2 and set(window.dilation) == {1} and len(window.image) < 4:
        # A convolution that copies is many times faster than copying numbers
        # one by one.
        copying = tf.eye(window.taps * channels, dtype=image.dtype)
        copying = tf.reshape(copying, (*window.kernel, channels, -1))
        patches = tf.nn.convolution(padded, copying, window.strides, "VALID")
        return tf.reshape(patches, (-1, num_positions, window.taps, channels))
    shape = [
        size + sum(margin)
        for size, margin in zip(window.image, window.margins, strict=True)
    ]
    before = np.array([m[0] for m in window.margins])
    pixels = np.moveaxis(window.pixels() + before, -1, 0)
    indices = np.ravel_multi_index(tuple(pixels), shape).reshape(-1)
    flat = tf.reshape(padded, (-1, math.prod(shape), channels))
    patches = tf.gather(flat, tf.constant(indices, tf.int32), axis=1)
    return tf.reshape(patches, (-1, num_positions, window.taps, channels))


@dataclasses.dataclass(frozen=True)
class PatchGramPlan:
    """How inner products of patches follow from inner products of pixels.

    Patches overlap, so the inner product of two patches is a sum of few inner
    products of pixels. A tap meets only pixels of one residue modulo the
    strides: the image falls apart into as many classes, and pixels of two
    classes never meet.

    Attributes:
        window: The `Window`.
        blocks: Int, the images of one record whose patches are put end to end.
    """

    window: Window
    blocks: int

    @functools.cached_property
    def grid(self):
        """Tuple of ints, the spatial shape of one class."""
        return tuple(
            -(-size // stride)
            for size, stride in zip(self.window.image, self.window.strides, strict=True)
        )

    @property
    def num_classes(self):
        return math.prod(self.window.strides)

    @property
    def pixels_per_class(self):
        """The pixels of one class in all blocks."""
        return self.blocks * math.prod(self.grid)

    @property
    def num_pairs(self):
        """The pairs of positions, each counted once."""
        n = self.blocks * math.prod(self.window.positions)
        return n * (n + 1) // 2

    @functools.cached_property
    def pairs(self):
        """Two int arrays of shape `(num_pairs,)`: `p <= q` for each pair."""
        return np.triu_indices(self.blocks * math.prod(self.window.positions))

    @functools.cached_property
    def summands(self):
        """Which products of pixels add up to which pair of positions.

        Returns:
            Two int32 arrays of the same length: indices into the flat Gram
            matrices of the classes, and the pair each is added to, ascending.
        """
        inside, pixel_class, pixel = self._located()
        num_positions = len(inside)
        p, q = self.pairs
        (p_block, p), (q_block, q) = (
            np.divmod(p, num_positions),
            np.divmod(q, num_positions),
        )
        size, per_block = self.pixels_per_class, math.prod(self.grid)
        row = p_block[:, np.newaxis] * per_block + pixel[p]
        column = q_block[:, np.newaxis] * per_block + pixel[q]
        flat = (pixel_class[p] * size + row) * size + column
        pair = np.broadcast_to(np.arange(len(p))[:, np.newaxis], flat.shape)
        met = inside[p] & inside[q]
        return flat[met].astype(np.int32), pair[met].astype(np.int32)

    def _located(self):
        """Per position and tap: is it inside, in which class, which pixel of it."""
        pixels = self.window.pixels()
        strides = np.array(self.window.strides)
        inside = ((pixels >= 0) & (pixels < self.window.image)).all(-1)
        pixels = np.where(inside[..., np.newaxis], pixels, 0)
        residue = np.moveaxis(pixels % strides, -1, 0)
        place = np.moveaxis(pixels // strides, -1, 0)
        return (
            inside,
            np.ravel_multi_index(tuple(residue), self.window.strides),
            np.ravel_multi_index(tuple(place), self.grid),
        )

    def gram(self, images):
        """Inner products of all pairs of patches of each record.

        Args:
            images: List of `blocks` tensors of shape
                `(records, *window.image, channels)`.

        Returns:
            Tensor of shape `(num_pairs, records)`. Records come last, so that
            the sums over few pixels each work on long rows.
        """
        size = self.pixels_per_class
        pixels = tf.reshape(
            self._by_class(tf.stack(images)), (-1, size, images[0].shape[-1])
        )
        products = tf.matmul(pixels, pixels, transpose_b=True)
        products = tf.transpose(
            tf.reshape(products, (-1, self.num_classes * size * size))
        )
        indices, pairs = self.summands
        return tf.sparse.segment_sum(
            products, indices, pairs, num_segments=self.num_pairs
        )

    def _by_class(self, images):
        """`(blocks, records, *image, c)` to `(records, class, blocks, grid, c)`."""
        window, rank = self.window, len(self.grid)
        missing = [
            (0, cells * stride - size)
            for cells, stride, size in zip(
                self.grid, window.strides, window.image, strict=True
            )
        ]
        if any(after for _, after in missing):
            images = tf.pad(images, [(0, 0), (0, 0), *missing, (0, 0)])
        split = [
            n for pair in zip(self.grid, window.strides, strict=True) for n in pair
        ]
        images = tf.reshape(images, (self.blocks, -1, *split, images.shape[-1]))
        cells = [2 + 2 * axis for axis in range(rank)]
        residues = [3 + 2 * axis for axis in range(rank)]
        return tf.transpose(images, [1, *residues, 0, *cells, 2 + 2 * rank])
