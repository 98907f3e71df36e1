"""How one record's gradient by a convolution's kernel follows from two tensors."""

import dataclasses
import math

import tensorflow as tf

from keras_dpgan.clipping.patches import PatchGramPlan
from keras_dpgan.clipping.patches import Window
from keras_dpgan.clipping.patches import extract
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
