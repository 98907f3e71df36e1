"""Finds layers of a discriminator that would break the guarantee, and says why."""

import dataclasses
import typing

import keras

from keras_dpgan._utils import keras_internals
from keras_dpgan.privacy import row_probe


@dataclasses.dataclass(frozen=True)
class Violation:
    """A layer that must not be trained privately.

    Examples:
        >>> import keras
        >>> model = keras.Sequential(
        ...     [keras.Input((4,)), keras.layers.BatchNormalization(name="norm")]
        ... )
        >>> violation = dpgan.privacy.validation.validate(model)[0]
        >>> violation.layer
        'norm'

    Attributes:
        layer: The layer's name.
        reason: Why it breaks the guarantee.
        remedy: What to use instead.
    """

    layer: str
    reason: str
    remedy: str

    def __str__(self):
        return f"layer {self.layer!r} {self.reason}. Remedy: {self.remedy}"


def validate(model: keras.Model, inputs: typing.Any = None) -> list["Violation"]:
    """Lists the layers of a discriminator that would break the guarantee.

    First it looks for layers that are known to break it. Then a numeric probe looks for
    others (see `keras_dpgan.privacy.row_probe`). It cannot know where constants come
    from: the user must avoid constants that were computed from the private data, such
    as a scaling.

    Examples:
        >>> discriminator = dpgan.models.vector_discriminator(4, hidden=(8,))
        >>> dpgan.privacy.validation.validate(discriminator)
        []

    Args:
        model: A built `keras.Model`.
        inputs: Four rows for the probe, or a list of rows and labels. Defaults to
            `None`: random rows that fit `model.inputs`.

    Returns:
        List of `Violation`, empty if there is none.

    Raises:
        ValueError: If `model` has no declared inputs and `inputs` is `None`, or if it
            belongs to a distribution strategy and cannot be copied.
    """
    return _violations(model, row_probe.probe(model, inputs))


def _violations(model, findings):
    layers = keras_internals.all_layers(model)
    known = [violation for layer in layers for violation in _judge(layer)]
    judged = {violation.layer for violation in known}
    found = [
        Violation(finding.layer, *_FOUND[finding.kind])
        for finding in findings
        # If a known layer mixes rows, the layers above it only pass that on.
        if finding.layer not in judged and not (judged and finding.layer == model.name)
    ]
    return known + found


def check(model: keras.Model, inputs: typing.Any = None) -> None:
    """Raises a `ValueError` that lists all violations, if there are any.

    Examples:
        >>> discriminator = dpgan.models.vector_discriminator(4, hidden=(8,))
        >>> dpgan.privacy.validation.check(discriminator)
    """
    _refuse(validate(model, inputs))


def check_few_rows(model: keras.Model, inputs: typing.Any) -> None:
    """As `check`, without batches of other sizes than four.

    Examples:
        >>> import numpy as np
        >>> discriminator = dpgan.models.vector_discriminator(4, hidden=(8,))
        >>> rows = np.random.normal(size=(4, 4)).astype("float32")
        >>> dpgan.privacy.validation.check_few_rows(discriminator, rows)
    """
    _refuse(_violations(model, row_probe.probe_few_rows(model, inputs)))


def _refuse(violations):
    if violations:
        listed = "\n".join(f"  - {violation}" for violation in violations)
        raise ValueError(
            "The discriminator cannot be trained with differential privacy:\n"
            f"{listed}\n`keras_dpgan.privacy.validation.fix(discriminator)` returns "
            "the nearest model that can be trained, if there is one."
        )


def fix(model: keras.Model) -> keras.Model:
    """A copy of a model in which other layers replace those that break the guarantee.

    BatchNormalization becomes GroupNormalization. The other layers keep their weights;
    the new layers start with initial weights.

    Source: Opacus, `ModuleValidator.fix`, for the idea.

    Examples:
        >>> import keras
        >>> model = keras.Sequential(
        ...     [
        ...         keras.Input((4,)),
        ...         keras.layers.Dense(8),
        ...         keras.layers.BatchNormalization(),
        ...     ]
        ... )
        >>> fixed = dpgan.privacy.validation.fix(model)
        >>> [type(layer).__name__ for layer in fixed.layers]
        ['Dense', 'GroupNormalization']

    Args:
        model: A functional or sequential `keras.Model`.

    Returns:
        A `keras.Model` that passes `check`.

    Raises:
        ValueError: If there is a layer without a private replacement.
    """
    # Keras does not accept a `call_function` for a list of layers.
    call = None if isinstance(model, keras.Sequential) else _call_without_mask
    clone = keras.models.clone_model(
        model, clone_function=_private_version, call_function=call
    )
    originals = {layer.name: layer for layer in keras_internals.all_layers(model)}
    for layer in keras_internals.all_layers(clone):
        original: typing.Any = originals.get(layer.name)
        if type(original) is type(layer) and not isinstance(layer, keras.Model):
            layer.set_weights(original.get_weights())
    check(clone)
    return clone


def _private_version(layer):
    if isinstance(layer, keras.layers.BatchNormalization):
        channels = layer.gamma.shape[0] if layer.scale else layer.moving_mean.shape[0]
        groups = max(g for g in (1, 2, 4, 8, 16, 32) if channels % g == 0)
        return keras.layers.GroupNormalization(
            groups=groups, axis=layer.axis, epsilon=layer.epsilon, name=layer.name
        )
    if isinstance(layer, keras.Model):
        return fix(layer)
    return layer.__class__.from_config(layer.get_config())


def _call_without_mask(layer, *args, **kwargs):
    """Calls a layer without the mask that only BatchNormalization accepts."""
    if isinstance(layer, keras.layers.GroupNormalization):
        kwargs.pop("mask", None)
    return layer(*args, **kwargs)


def _judge(layer):
    """Yields the violations of one layer."""
    for classes, reason, remedy in _REFUSED:
        if isinstance(layer, classes):
            yield Violation(layer.name, reason, remedy)
    if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None:
        yield Violation(
            layer.name,
            "keeps a mean and a variance that `adapt` computes from the data",
            "give public constants as `mean` and `variance`, or scale the data with "
            "`keras_dpgan.data.scale_to_range`",
        )
    if getattr(layer, "stateful", False):
        yield Violation(
            layer.name, "carries state from batch to batch", "use `stateful=False`"
        )
    if _regularizers(layer):
        yield Violation(
            layer.name,
            "adds a loss that belongs to no record, which clipping would drop",
            "use `weight_decay` of the optimizer inside the DP optimizer",
        )


def _regularizers(layer):
    return [
        name
        for name in vars(layer)
        if name.endswith("_regularizer") and getattr(layer, name) is not None
    ]


_REFUSED = (
    (
        keras.layers.BatchNormalization,
        "computes statistics over the batch, so that one record changes the "
        "gradients of all others",
        "use `keras.layers.GroupNormalization` or `LayerNormalization`",
    ),
    (
        keras.layers.SpectralNormalization,
        "rewrites its weights in the forward pass, outside the mechanism",
        "bound the slope with `gradient_penalty` or `weight_clip` of `DPGAN.compile`",
    ),
    (
        (
            keras.layers.StringLookup,
            keras.layers.IntegerLookup,
            keras.layers.TextVectorization,
            keras.layers.Discretization,
        ),
        "looks values up in a vocabulary or in bins, which `adapt` computes from the "
        "data",
        "prepare the data with public constants before `fit`",
    ),
)

_FOUND = {
    row_probe.MIXES_ROWS: (
        "mixes rows: a change of one row changes the outputs of others, or their "
        "gradients",
        "compute each row only from that row, without reductions over the first axis",
    ),
    row_probe.DRAWS: (
        "draws random numbers from TensorFlow, which a known seed repeats and which "
        "depend on the row's place in the batch, so that a row changes those of others",
        "draw with `keras.random` and a `keras.random.SeedGenerator`, which training "
        "gives secret seeds",
    ),
    row_probe.HAS_EFFECT: (
        "changes or reads something besides its inputs and weights, such as a variable",
        "compute its outputs only from its inputs and weights, and change variables in "
        "a callback",
    ),
    row_probe.KEEPS_STATE: (
        "stores information on the rows in its variables, without noise",
        "remove the variables that it assigns when it is called, including metrics",
    ),
    row_probe.ADDS_LOSS: (
        "adds a loss (`add_loss`) that belongs to no record, which clipping would drop",
        "make the term a part of the loss of each record",
    ),
}
