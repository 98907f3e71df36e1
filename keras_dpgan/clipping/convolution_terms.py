"""How one record's gradient by a convolution's kernel follows from two tensors.

The patches that the kernel meets are taken here, too.
"""

import dataclasses
import functools
import math

import numpy as np
import tensorflow as tf

from keras_dpgan.clipping.terms import ProductTerm


@dataclasses.dataclass(frozen=True)
class Sliding:
    """How a layer's kernel slides: its strides, dilation and padding.

    Attributes:
        kernel_size: Tuple of ints.
        strides: Tuple of ints.
        dilation_rate: Tuple of ints.
        padding: `"valid"`, `"same"` or `"causal"`.
        channels_first: Whether channels come before the spatial axes.
    """

    kernel_size: tuple
    strides: tuple
    dilation_rate: tuple
    padding: str
    channels_first: bool

    @classmethod
    def of(cls, layer):
        """Reads the values from a Keras convolution layer."""
        rank = len(layer.kernel_size)
        return cls(
            tuple(layer.kernel_size),
            _as_tuple(layer.strides, rank),
            _as_tuple(layer.dilation_rate, rank),
            layer.padding,
            layer.data_format == "channels_first",
        )

    def window(self, shape):
        """The `Window` on an image of a static shape, rows and channels included."""
        spatial = shape[2:] if self.channels_first else shape[1:-1]
        return Window(
            tuple(spatial),
            self.kernel_size,
            self.strides,
            self.dilation_rate,
            self.padding,
        )

    def channels_last(self, tensor):
        """Brings a tensor's channels to its end."""
        if not self.channels_first:
            return tensor
        return tf.transpose(tensor, [0, *range(2, tensor.shape.rank), 1])

    def channels(self, shape):
        return shape[1] if self.channels_first else shape[-1]


def _as_tuple(value, rank):
    return (value,) * rank if isinstance(value, int) else tuple(value)


class ConvolutionTerm(ProductTerm):
    """The kernel of a convolution, of shape `(*kernel, channels / groups, filters)`.

    Args:
        variable: A `keras.Variable`, or `None`.
        sliding: A `Sliding`.
        groups: Int. Defaults to 1.
    """

    def __init__(self, variable, sliding, groups=1):
        super().__init__(variable)
        self.sliding = sliding
        self.groups = groups

    def supports(self, inputs, outputs):
        return None not in inputs[1:] and None not in outputs[1:]

    def window(self, inputs, gradients):
        """The `Window` on what the kernel slides over."""
        return self.sliding.window(self.image(inputs, gradients).shape)

    def image(self, inputs, gradients):
        """Which of the two tensors the kernel slides over."""
        return inputs

    def field(self, inputs, gradients):
        """Which of the two tensors has one pixel per position."""
        return gradients

    def left(self, inputs, gradients):
        image = self.sliding.channels_last(self.image(inputs, gradients))
        patches = extract(image, self.window(inputs, gradients))
        _, positions, taps, channels = patches.shape
        if self.groups > 1:
            shape = (-1, positions, taps, self.groups, channels // self.groups)
            patches = tf.transpose(tf.reshape(patches, shape), [0, 3, 1, 2, 4])
        size = taps * channels // self.groups
        return tf.reshape(patches, (-1, self.groups, positions, size))

    def right(self, inputs, gradients):
        field = self.sliding.channels_last(self.field(inputs, gradients))
        channels = field.shape[-1]
        shape = (-1, math.prod(field.shape[1:-1]), self.groups, channels // self.groups)
        return tf.transpose(tf.reshape(field, shape), [0, 2, 1, 3])

    def sizes(self, inputs, gradients):
        image, field = self.image(inputs, gradients), self.field(inputs, gradients)
        window = self.sliding.window(image)
        return (
            self.groups,
            math.prod(window.positions),
            window.taps * self.sliding.channels(image) // self.groups,
            self.sliding.channels(field) // self.groups,
        )

    def from_matrices(self, products):
        if self.groups > 1:
            _, groups, left, right = products.shape
            taps = math.prod(self.sliding.kernel_size)
            products = tf.reshape(products, (-1, groups, taps, left // taps, right))
            products = tf.transpose(products, [0, 2, 3, 1, 4])
        return tf.reshape(products, (-1, *self.variable.shape))

    def magnitude(self, input_norm, gradient_norm):
        met = math.prod(self.sliding.kernel_size)
        return float(met) ** 0.5 * input_norm * gradient_norm

    def gram_plan(self, inputs, gradients):
        """The `PatchGramPlan` of such an image; `None` with groups."""
        if self.groups > 1:
            return None
        image = self.image(inputs, gradients)
        return PatchGramPlan(self.sliding.window(image))


class TransposedConvolutionTerm(ConvolutionTerm):
    """The kernel of a transposed convolution: it slides over the outputs."""

    def image(self, inputs, gradients):
        return gradients

    def field(self, inputs, gradients):
        return inputs

    def supports(self, inputs, outputs):
        if not super().supports(inputs, outputs):
            return False
        spatial = inputs[2:] if self.sliding.channels_first else inputs[1:-1]
        return self.sliding.window(outputs).positions == tuple(spatial)


class DepthwiseConvolutionTerm(ConvolutionTerm):
    """The kernel of a depthwise convolution, `(*kernel, channels, multiplier)`."""

    def __init__(self, variable, sliding):
        groups = 1 if variable is None else variable.shape[-2]
        super().__init__(variable, sliding, groups)

    def from_matrices(self, products):
        products = tf.transpose(products, [0, 2, 1, 3])
        return tf.reshape(products, (-1, *self.variable.shape))


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
        # TensorFlow pads in this way: an odd row of zeros comes last.
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
        return total // 2, total - total // 2

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
    """

    window: Window

    @functools.cached_property
    def grid(self):
        """Tuple of ints, the spatial shape of one class."""
        return tuple(
            -(-size // stride)
            for size, stride in zip(self.window.image, self.window.strides, strict=True)
        )

    @property
    def num_positions(self):
        return math.prod(self.window.positions)

    @property
    def num_pixel_pairs(self):
        """The inner products of pixels of an image with those of another."""
        return math.prod(self.window.strides) * math.prod(self.grid) ** 2

    @functools.cached_property
    def all_pairs(self):
        """`PatchPairs` of the patches of one image with those of another."""
        each = np.arange(self.num_positions)
        return self._pairs(np.repeat(each, len(each)), np.tile(each, len(each)))

    @functools.cached_property
    def own_pairs(self):
        """`PatchPairs` of the patches of one image, each counted once."""
        return self._pairs(*np.triu_indices(self.num_positions))

    def _pairs(self, first, second):
        inside, pixel_class, pixel = self._located()
        size = math.prod(self.grid)
        flat = (pixel_class[first] * size + pixel[first]) * size + pixel[second]
        pair = np.broadcast_to(np.arange(len(first))[:, np.newaxis], flat.shape)
        met = inside[first] & inside[second]
        return PatchPairs(
            first, second, flat[met].astype(np.int32), pair[met].astype(np.int32)
        )

    def _located(self):
        """For each position and tap: whether it is inside, its class and its pixel."""
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

    def by_class(self, images):
        """Sorts pixels by class.

        Args:
            images: Tensor of shape `(records, *window.image, channels)`.

        Returns:
            Tensor of shape `(records * classes, pixels, channels)`.
        """
        window, rank = self.window, len(self.grid)
        missing = [
            (0, cells * stride - size)
            for cells, stride, size in zip(
                self.grid, window.strides, window.image, strict=True
            )
        ]
        if any(after for _, after in missing):
            images = tf.pad(images, [(0, 0), *missing, (0, 0)])
        split = [
            n for pair in zip(self.grid, window.strides, strict=True) for n in pair
        ]
        channels = images.shape[-1]
        images = tf.reshape(images, (-1, *split, channels))
        cells = [1 + 2 * axis for axis in range(rank)]
        residues = [2 + 2 * axis for axis in range(rank)]
        images = tf.transpose(images, [0, *residues, *cells, 1 + 2 * rank])
        return tf.reshape(images, (-1, math.prod(self.grid), channels))

    def products(self, pairs, first, second):
        """Inner products of pairs of patches of each record.

        Args:
            pairs: `all_pairs`, or `own_pairs` where `first` is `second`.
            first: Tensor as `by_class` returns it.
            second: Tensor as `by_class` returns it.

        Returns:
            Tensor of shape `(pairs, records)`. Records come last, so that the
            sums over few pixels each work on long rows.
        """
        products = tf.matmul(first, second, transpose_b=True)
        products = tf.transpose(tf.reshape(products, (-1, self.num_pixel_pairs)))
        return tf.sparse.segment_sum(
            products, pairs.summands, pairs.sums, num_segments=len(pairs.first)
        )


@dataclasses.dataclass(frozen=True)
class PatchPairs:
    """Pairs of patches, and which products of pixels add up to theirs.

    Attributes:
        first: Int array of shape `(pairs,)`, the position of one patch.
        second: Int array of shape `(pairs,)`, that of the other.
        summands: int32 array, indices into the flat products of pixels.
        sums: int32 array, the pair that each of these is added to, ascending.
    """

    first: np.ndarray
    second: np.ndarray
    summands: np.ndarray
    sums: np.ndarray

    @functools.cached_property
    def equal(self):
        """Indices of the pairs of a patch with itself."""
        return np.flatnonzero(self.first == self.second).astype(np.int32)
