"""How one record's gradient by a weight follows from two tensors.

Wherever a layer uses a weight, the weight's gradient is bilinear in what the
layer took in and in the gradient of what it gave out. A term says how, for one
weight. The backward pass that makes an input gradient is such a use, too: there
`inputs` is the loss' gradient by the input gradient that the layer gave out, and
`gradients` the gradient that it took in.

Shapes: `inputs` and `gradients` have one row per row of the layer's call, and a
term's results have one row per row of these.
"""

import math

import numpy as np
import tensorflow as tf


class Term:
    """The gradient by one weight.

    Args:
        variable: A `keras.Variable`, or `None` where a layer goes without.

    Attributes:
        uses_inputs: Whether the gradient depends on the layer's inputs. If not,
            as for a bias, the weight has no part in the backward pass.
        is_of_steps: Whether all uses of this very term may be worked on together, put
            beside each other along a new axis after that of the rows. A term that says
            so takes inputs and gradients with such an axis.
    """

    uses_inputs = True
    is_of_steps = False

    def __init__(self, variable):
        self.variable = variable

    def supports(self, inputs, outputs):
        """Whether the term holds for tensors of these static shapes."""
        del inputs, outputs
        return True

    def gradient(self, inputs, gradients):
        """The gradient that each row makes, of shape `(rows, *variable.shape)`."""
        raise NotImplementedError

    def total(self, inputs, gradients):
        """The gradient of all rows together, of the variable's shape.

        `NotImplemented` leaves it to the gradient of the layer's own operation.
        """
        del inputs, gradients
        return NotImplemented

    def magnitude(self, input_norm, gradient_norm):
        """What the products summed in `gradient` can amount to, before they cancel.

        Args:
            input_norm: Tensor of shape `(rows,)`: the L2 norm of each row's
                inputs, or `None` if they are not floats.
            gradient_norm: The same of the gradients.

        Returns:
            Tensor of shape `(rows,)`: rounding errors of `gradient` are a few
            units in the last place of it.
        """
        return input_norm * gradient_norm


class ScaleTerm(Term):
    """A weight that multiplies the inputs: `outputs = inputs * variable`.

    Args:
        variable: A `keras.Variable`, or `None`.
        shape: The shape, without rows, in which the variable is broadcast
            against the inputs. Defaults to `None`: the variable's own.
    """

    def __init__(self, variable, shape=None):
        super().__init__(variable)
        self._shape = shape

    def gradient(self, inputs, gradients):
        return self._reduced(inputs * gradients)

    def _reduced(self, products):
        shape = self.variable.shape if self._shape is None else self._shape
        rank = products.shape.rank - 1
        shape = (1,) * (rank - len(shape)) + tuple(shape)
        summed = [axis + 1 for axis in range(rank) if shape[axis] == 1]
        summed = tf.reduce_sum(products, summed)
        return tf.reshape(summed, (-1, *self.variable.shape))


class BiasTerm(ScaleTerm):
    """A weight that is added to the outputs.

    Args:
        variable: A `keras.Variable`, or `None`.
        shape: The shape, without rows, in which the variable is broadcast
            against the outputs. Defaults to `None`: the variable's own.
    """

    uses_inputs = False

    def gradient(self, inputs, gradients):
        del inputs
        return self._reduced(gradients)

    def magnitude(self, input_norm, gradient_norm):
        # Up to a thousand positions; by Cauchy and Schwarz.
        return 32.0 * gradient_norm


class ProductTerm(Term):
    """A weight whose gradient is a sum of outer products over positions.

    A subclass brings inputs and gradients into the form of two matrices per row
    and group, `left` of shape `(rows, groups, positions, left_size)` and `right`
    of shape `(rows, groups, positions, right_size)`; a row's gradient is
    `left^T right`.
    """

    def left(self, inputs, gradients):
        raise NotImplementedError

    def right(self, inputs, gradients):
        raise NotImplementedError

    def sizes(self, inputs, gradients):
        """`(groups, positions, left_size, right_size)` for static shapes."""
        raise NotImplementedError

    def from_matrices(self, products):
        """Brings `(rows, groups, left_size, right_size)` into the weight's shape."""
        return tf.reshape(products, (-1, *self.variable.shape))

    def left_gram(self, left):
        """All inner products of the positions of `left`."""
        return tf.matmul(left, left, transpose_b=True)

    def gradient(self, inputs, gradients):
        left = self.left(inputs, gradients)
        right = self.right(inputs, gradients)
        if left.shape[2] == 1:
            groups, size = left.shape[1], left.shape[3]
            products = tf.reshape(left, (-1, groups, size, 1)) * right
        else:
            products = tf.matmul(left, right, transpose_a=True)
        return self.from_matrices(products)


class MatrixTerm(ProductTerm):
    """A matrix that multiplies the last axis: `outputs = inputs @ variable`."""

    def left(self, inputs, gradients):
        return _as_matrices(inputs)

    def right(self, inputs, gradients):
        return _as_matrices(gradients)

    def sizes(self, inputs, gradients):
        return 1, math.prod(inputs[1:-1]), inputs[-1], gradients[-1]

    def supports(self, inputs, outputs):
        return None not in inputs[1:]


def _as_matrices(tensor):
    positions = math.prod(tensor.shape[1:-1])
    return tf.reshape(tensor, (-1, 1, positions, tensor.shape[-1]))


class EinsumTerm(ProductTerm):
    """The kernel of `outputs = einsum(equation, inputs, variable)`.

    Args:
        variable: A `keras.Variable`, or `None`.
        equation: An equation as `keras.layers.EinsumDense` takes it.
    """

    def __init__(self, variable, equation):
        super().__init__(variable)
        self._equation = equation

    def supports(self, inputs, outputs):
        if None in inputs[1:] or None in outputs[1:]:
            return False
        x, w, y = self._letters(len(inputs))
        # A letter of one operand alone is summed before the product.
        single = any(
            sum(letter in operand for operand in (x, w, y)) < 2
            for letter in set(x + w + y)
        )
        repeated = any(len(set(operand)) < len(operand) for operand in (x, w, y))
        return not single and not repeated and x[0] == y[0] and x[0] not in w

    def _letters(self, rank):
        operands, y = self._equation.replace(" ", "").split("->")
        x, w = operands.split(",")
        if "..." in x:
            free = [c for c in "zyxwvutsrqponmlkjihgfedcba" if c not in x + w + y]
            elided = "".join(free[: rank - len(x.replace("...", ""))])
            x, y = x.replace("...", elided), y.replace("...", elided)
        return x, w, y

    def _roles(self, rank):
        """Letters of the groups, positions, left and right sizes."""
        x, w, y = self._letters(rank)
        groups = "".join(c for c in w if c in x and c in y)
        positions = "".join(c for c in x[1:] if c in y and c not in w)
        left = "".join(c for c in w if c in x and c not in y)
        right = "".join(c for c in w if c in y and c not in x)
        return groups, positions, left, right

    def left(self, inputs, gradients):
        groups, positions, left, _ = self._roles(inputs.shape.rank)
        return _arranged(
            inputs, self._letters(inputs.shape.rank)[0], groups, positions, left
        )

    def right(self, inputs, gradients):
        groups, positions, _, right = self._roles(inputs.shape.rank)
        return _arranged(
            gradients, self._letters(inputs.shape.rank)[2], groups, positions, right
        )

    def sizes(self, inputs, gradients):
        x, _, y = self._letters(len(inputs))
        size = {
            **dict(zip(x, inputs, strict=False)),
            **dict(zip(y, gradients, strict=False)),
        }
        return tuple(
            math.prod(size[c] for c in role) for role in self._roles(len(inputs))
        )

    def from_matrices(self, products):
        spec = self._equation.replace(" ", "").split("->")[0].split(",")[1]
        groups, _, left, right = self._roles_of_kernel()
        order = groups + left + right
        size = dict(zip(spec, self.variable.shape, strict=False))
        products = tf.reshape(products, (-1, *(size[c] for c in order)))
        return tf.transpose(products, [0, *(1 + order.index(c) for c in spec)])

    def _roles_of_kernel(self):
        # The kernel's letters do not depend on the rank of what is elided.
        x = self._equation.replace(" ", "").split(",")[0]
        return self._roles(len(x.replace("...", "")))


def _arranged(tensor, letters, *roles):
    """Transposes to rows and roles, and makes one axis of each role."""
    order = letters[0] + "".join(roles)
    size = dict(zip(letters, tensor.shape, strict=False))
    tensor = tf.transpose(tensor, [letters.index(c) for c in order])
    return tf.reshape(tensor, (-1, *(math.prod(size[c] for c in r) for r in roles)))


class EmbeddingTerm(ProductTerm):
    """A table of which each input, an int, takes one row."""

    def left(self, inputs, gradients):
        tokens = tf.cast(_as_matrices(inputs[..., tf.newaxis]), tf.int64)
        return tf.where(tokens < 0, tokens + self.variable.shape[0], tokens)

    def right(self, inputs, gradients):
        return _as_matrices(gradients)

    def left_gram(self, left):
        equal = tf.equal(left, tf.linalg.matrix_transpose(left))
        return tf.cast(equal, self.variable.dtype)

    def sizes(self, inputs, gradients):
        return 1, math.prod(inputs[1:]), self.variable.shape[0], gradients[-1]

    def supports(self, inputs, outputs):
        return None not in inputs[1:]

    def gradient(self, inputs, gradients):
        right = self.right(inputs, gradients)
        one_hot = tf.one_hot(
            self.left(inputs, gradients)[..., 0],
            self.variable.shape[0],
            dtype=right.dtype,
        )
        products = tf.matmul(one_hot, right, transpose_a=True)
        return self.from_matrices(products)

    def total(self, inputs, gradients):
        tokens = tf.reshape(self.left(inputs, gradients), [-1])
        rows = tf.reshape(gradients, (-1, gradients.shape[-1]))
        return tf.math.unsorted_segment_sum(rows, tokens, self.variable.shape[0])

    def magnitude(self, input_norm, gradient_norm):
        return float(np.sqrt(1024.0)) * gradient_norm
