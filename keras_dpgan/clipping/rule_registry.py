"""Which layers can be recorded, and how."""

import collections.abc
import typing

import keras

_Rule = typing.TypeVar("_Rule", bound=collections.abc.Callable[..., typing.Any])

_RULES: dict[type[keras.layers.Layer], collections.abc.Callable[..., typing.Any]] = {}


def register_layer_rule(
    layer_class: type[keras.layers.Layer],
) -> collections.abc.Callable[[_Rule], _Rule]:
    """Registers how the `ghost` engine records the layers of a class.

    The decorated function `rule(layer, inputs, record)` runs the layer and
    returns its outputs. Each operation that uses weights goes through
    `record(operation, inputs, terms)`: `operation` is a function of `inputs`
    that is linear in them up to an added constant, reads the weights by
    `layer.name`, and returns one tensor; `terms` has one
    `keras_dpgan.clipping.terms.Term` per weight that it uses. What lies before
    and after, such as an activation, is ordinary code. A rule that does not cover how
    the layer is set up returns `NotImplemented`, before it has recorded anything; the
    layer is then differentiated record by record.

    A rule holds for the class itself and not for its subclasses, which may do
    something else in `call`. Where a layer has none, or a weight is used outside
    what its rule records, the engine says so and computes gradients record by
    record.

    Examples:
        >>> import keras
        >>> from keras_dpgan.clipping.terms import MatrixTerm
        >>> class LowRank(keras.layers.Layer):
        ...     def build(self, shape):
        ...         self.u = self.add_weight(shape=(shape[-1], 2))
        ...         self.v = self.add_weight(shape=(2, 4))
        ...     def call(self, inputs):
        ...         return inputs @ self.u @ self.v
        >>> @dpgan.clipping.register_layer_rule(LowRank)
        ... def low_rank(layer, inputs, record):
        ...     hidden = record(lambda x: x @ layer.u, inputs, [MatrixTerm(layer.u)])
        ...     return record(lambda x: x @ layer.v, hidden, [MatrixTerm(layer.v)])

    Args:
        layer_class: A subclass of `keras.layers.Layer`.

    Returns:
        A decorator.
    """

    def register(rule):
        _RULES[layer_class] = rule
        return rule

    return register


def find_layer_rule(layer):
    """The rule of a layer, or `None`."""
    return _RULES.get(type(layer))
