"""Which layers of a discriminator would break the guarantee, and why."""

import dataclasses

import keras


@dataclasses.dataclass(frozen=True)
class Violation:
    """A layer that must not be trained privately.

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


def validate(model):
    """Lists what in a discriminator would break the guarantee.

    Args:
        model: A built `keras.Model`.

    Returns:
        List of `Violation`, empty if there is none.
    """
    return [violation for layer in _all_layers(model) for violation in _judge(layer)]


def check(model):
    """Raises a `ValueError` that lists each violation, if there is any."""
    violations = validate(model)
    if violations:
        listed = "\n".join(f"  - {violation}" for violation in violations)
        raise ValueError(
            "The discriminator cannot be trained with differential privacy:\n"
            f"{listed}\n`keras_dpgan.privacy.validation.fix(discriminator)` gives "
            "the nearest model that can, where there is one."
        )


def fix(model):
    """A copy of a model in which private layers stand for the others.

    BatchNormalization becomes GroupNormalization. The other layers keep their
    weights; the new ones start afresh.

    Args:
        model: A functional or sequential `keras.Model`.

    Returns:
        A `keras.Model` that passes `check`.

    Raises:
        ValueError: If a layer is left that has no private stand-in.
    """
    clone = keras.models.clone_model(model, clone_function=_private_version)
    originals = {layer.name: layer for layer in _all_layers(model)}
    for layer in _all_layers(clone):
        original = originals.get(layer.name)
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


def _all_layers(model):
    for layer in model._flatten_layers(include_self=True):
        yield layer


def _judge(layer):
    """Yields the violations of one layer."""
    for classes, reason, remedy in _REFUSED:
        if isinstance(layer, classes):
            yield Violation(layer.name, reason, remedy)
    if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None:
        yield Violation(
            layer.name,
            "keeps a mean and a variance that `adapt` computes from the data",
            "give `mean` and `variance` that are public constants, or scale the "
            "data with `keras_dpgan.data.scale_to_range`",
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
        "computes statistics over the batch, so that one record moves the "
        "gradients of all the others",
        "use `keras.layers.GroupNormalization` or `LayerNormalization`",
    ),
    (
        keras.layers.SpectralNormalization,
        "rewrites its weights in the forward pass, outside the mechanism",
        "bound the slope with `gradient_penalty` or `weight_clip` of "
        "`DPGAN.compile`",
    ),
    (
        (
            keras.layers.StringLookup,
            keras.layers.IntegerLookup,
            keras.layers.TextVectorization,
            keras.layers.Discretization,
        ),
        "looks values up in a vocabulary or in bins, which `adapt` would learn "
        "from the data",
        "prepare the data with public constants before `fit`",
    ),
)
