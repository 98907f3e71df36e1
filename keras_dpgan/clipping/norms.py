"""Norms of sums of outer products, with a bound on what rounding did to them.

The gradient of a record is `left^T right`, summed over positions. Its squared
norm is either that of the product itself, or `sum((left left^T) * (right
right^T))`, which never makes the product: cheap when positions are few. Sources:
Goodfellow 2015, "Efficient Per-Example Gradient Computations"; Li et al. 2022,
"Large Language Models Can Be Strong Differentially Private Learners"; Bu et al.
2022, "Scalable and Efficient Training of Large Convolutional Neural Networks with
Differential Privacy".

Where positions cancel, as a real row and its fake do, the second form loses
digits, and a norm that is too small would break the clip. So each form comes
with a bound on its rounding error, and callers clip by the sum of both. The bound
counts what is lost where squares of tiny numbers become zero, too.
"""

import collections
import itertools

import numpy as np
import tensorflow as tf

# Rounding errors of inner products add up like random steps; this many standard
# deviations of them are allowed for.
_DEVIATIONS = 4.0


class Square(collections.namedtuple("Square", ["value", "error"])):
    """A squared norm per record, and the most by which rounding may move it.

    Attributes:
        value: Tensor of shape `(records,)`.
        error: Tensor of shape `(records,)`.
    """

    __slots__ = ()


def unit_roundoff(dtype):
    """The relative error of one rounded operation."""
    return float(np.finfo(dtype.as_numpy_dtype).eps) / 2.0


def underflow(dtype):
    """The largest error of a number that is too small for its dtype."""
    return float(np.finfo(dtype.as_numpy_dtype).tiny)


def of_rows(rows):
    """The L2 norm of each row, rounded up by at least the rounding error.

    Args:
        rows: Float tensor of shape `(records, ...)`.

    Returns:
        Tensor of shape `(records,)`.
    """
    squares = tf.reduce_sum(tf.square(rows), list(range(1, rows.shape.rank)))
    return tf.sqrt(squares + _size(rows) * underflow(rows.dtype))


def _size(rows):
    """The numbers in a row, as a float or a tensor of the rows' dtype."""
    known = rows.shape[1:].num_elements()
    if known is not None:
        return float(known)
    return tf.cast(tf.reduce_prod(tf.shape(rows)[1:]), rows.dtype)


def of_gradients(gradients, magnitude):
    """The squared norm of gradients that were computed.

    Args:
        gradients: Tensor of shape `(records, ...)`.
        magnitude: Tensor of shape `(records,)`: the size of the gradient, had
            nothing in it cancelled. `None` where these very gradients are added.

    Returns:
        A `Square`.
    """
    axes = list(range(1, gradients.shape.rank))
    value = tf.reduce_sum(tf.square(gradients), axes)
    lost = tf.zeros_like(value) + _size(gradients) * underflow(gradients.dtype)
    if magnitude is None:
        return Square(value, lost)
    slack = 2.0 * unit_roundoff(gradients.dtype) * magnitude
    return Square(value, slack * (2.0 * tf.sqrt(value) + slack) + lost)


def lost_in_products(sizes, squares):
    """The most that the product of two Gram matrices loses to numbers too small.

    Args:
        sizes: `(positions, left_size, right_size)`, ints.
        squares: Tensor of shape `(records,)`: the sum of the squares of all numbers
            that the matrices are made of, or more.

    Returns:
        Tensor of shape `(records,)`.
    """
    # An entry of one matrix has lost at most its inner product's length times a tiny
    # number, and is multiplied by an entry of the other, which is at most `squares`.
    positions, left_size, right_size = sizes
    entries = positions**2 * (left_size + right_size)
    return underflow(squares.dtype) * entries * (squares + 1.0)


def of_products(left, right, left_gram):
    """The squared norm of `left^T right`, without computing the product.

    Args:
        left: Tensor of shape `(records, groups, positions, left_size)`.
        right: Tensor of shape `(records, groups, positions, right_size)`.
        left_gram: A function of `left`: the inner products of its positions, of
            shape `(records, groups, positions, positions)`.

    Returns:
        A `Square`.
    """
    left_products = left_gram(left)
    right_products = tf.matmul(right, right, transpose_b=True)
    weights = tf.linalg.diag_part(left_products) * tf.linalg.diag_part(right_products)
    return Square(
        tf.reduce_sum(left_products * right_products, [1, 2, 3]),
        _gram_error(weights, [1, 2], left.shape[-1], right.shape[-1]),
    )


def of_patch_products(plan, images, fields):
    """The squared norm of a convolution kernel's gradient without the product.

    Args:
        plan: A `PatchGramPlan`.
        images: List of tensors of shape `(records, *image, channels)`.
        fields: List of tensors of shape `(records, positions, filters)`: what
            each patch is multiplied by.

    Returns:
        A `Square`.
    """
    pixels = [plan.by_class(image) for image in images]
    value, weights = 0.0, []
    for i, j in itertools.combinations_with_replacement(range(len(images)), 2):
        pairs = plan.own_pairs if i == j else plan.all_pairs
        products = plan.products(pairs, pixels[i], pixels[j])
        products *= _field_products(pairs, fields[i], fields[j])
        if i == j:
            weights.append(tf.gather(products, pairs.equal))
            value -= tf.reduce_sum(weights[-1], 0)
        value += 2.0 * tf.reduce_sum(products, 0)
    size = plan.window.taps * images[0].shape[-1]
    error = _gram_error(tf.concat(weights, 0), [0], size, fields[0].shape[-1])
    return Square(value, error)


def _field_products(pairs, first, second):
    """Inner products, of shape `(pairs, records)`."""
    products = tf.matmul(first, second, transpose_b=True)
    num_positions = first.shape[1]
    products = tf.transpose(tf.reshape(products, (-1, num_positions**2)))
    if len(pairs.first) == num_positions**2:
        return products
    return tf.gather(
        products, (pairs.first * num_positions + pairs.second).astype(np.int32)
    )


def _gram_error(weights, axes, left_size, right_size):
    """A bound on the rounding of a sum of products of two Gram matrices.

    An entry of either matrix errs by about the square root of its length in
    roundings of the norms it is made of, independently; their products are
    summed with some more roundings.

    Args:
        weights: Tensor of the products of both diagonals, per position.
        axes: The axes of the positions.
        left_size: Int, the length of the left inner products.
        right_size: Int, the length of the right ones.
    """
    # Rounded inner products of a vector with itself may fall below zero only
    # by being exactly zero, but a product of two may underflow.
    weights = tf.maximum(weights, tf.zeros_like(weights))
    entries = _DEVIATIONS * (left_size**0.5 + right_size**0.5)
    together = tf.square(tf.reduce_sum(tf.sqrt(weights), axes))
    error = entries * tf.reduce_sum(weights, axes) + 2.0 * together
    return unit_roundoff(weights.dtype) * error
