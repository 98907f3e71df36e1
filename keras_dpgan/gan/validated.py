"""Compares what is about to train with what `compile` has validated."""

import collections.abc
import functools
import types
import typing

import keras

from keras_dpgan._utils import keras_internals
from keras_dpgan._utils import validate

_NETWORKS = ("discriminator", "generator")
_AGAIN = "Call `compile` again with it."
_ANEW = "Make a new `DPGAN` with it."

# The attributes of a `DPGAN` that training reads when it is traced.
READ_ONLY = {
    **dict.fromkeys(
        (
            "d_optimizer",
            "g_optimizer",
            "optimizer",
            "private",
            "discriminator_steps",
            "generation",
            "jit_compile",
            "alternation",
            "critics",
            "compile_config",
        ),
        _AGAIN,
    ),
    **dict.fromkeys(
        (
            *_NETWORKS,
            "latent_dim",
            "num_classes",
            "condition_shape",
            "row_shape",
            "privacy_record",
            "session",
        ),
        _ANEW,
    ),
}

# The types of a layer's settings that are compared.
_PLAIN = (bool, int, float, str, tuple, type(None), types.FunctionType)


_Method = typing.TypeVar("_Method", bound=collections.abc.Callable[..., typing.Any])


def compiles(method: _Method) -> _Method:
    """Lets `compile` set read-only attributes, and leaves nothing half compiled."""

    @functools.wraps(method)
    def compile(self, *args, **kwargs):
        with validate.unlocked(self):
            try:
                return method(self, *args, **kwargs)
            except BaseException:
                # Some parts may already be new while others are still old.
                self.compiled = False
                raise

    return typing.cast(_Method, compile)


def check_trainable(discriminator, generator):
    """Raises a `ValueError` if a network has no trainable weights.

    Args:
        discriminator: A built `keras.Model`, or `None` where none is trained.
        generator: A built `keras.Model`.
    """
    for name, network in zip(_NETWORKS, (discriminator, generator), strict=True):
        if network is not None and not network.trainable_variables:
            raise ValueError(
                f"`{name}` must have trainable weights, or updates would spend the "
                "privacy budget and change nothing. Received: a network of "
                f"{len(network.weights)} weights, of which none is trainable. Set "
                f"`{name}.trainable = True` (on its layers, too, if they were frozen "
                "one by one) before `compile`. `DPGAN` trains both networks itself and "
                "needs no combined model with a frozen discriminator."
            )


class Validated:
    """What a `compile` has validated, to be compared with the model later on.

    Args:
        gan: A `DPGAN` that is being compiled.
        step: Its `TrainingStep`.
    """

    def __init__(self, gan, step):
        self._gan = gan
        self._step = step
        self._facts = self._facts_now()

    def check(self):
        """Raises a `ValueError` if training would run something else.

        Training is traced once and keeps using what it found then. A later change
        would either have no effect, or take effect without having been checked.
        """
        facts = self._facts_now()
        # Anything new is what a layer notes for itself, such as a cache.
        changed = [
            name
            for name, value in self._facts.items()
            if name not in facts or not _is_same(facts[name], value)
        ]
        if changed:
            raise ValueError(
                "The model was changed after `compile`: its new layers, weights or "
                "settings were not checked, and the optimizers were built for the old "
                f"weights. Changed since `compile`: {', '.join(changed)}. "
                "Call `compile` again."
            )

    def _facts_now(self):
        """Everything that must not change, by name."""
        gan, step = self._gan, self._step
        facts = {
            "the training step": gan.alternation.step,
            "`d_optimizer`": gan.d_optimizer,
            "`g_optimizer`": gan.g_optimizer,
            "`private`": gan.private,
            **{f"`training_step.{k}`": v for k, v in vars(step).items()},
        }
        for name in _NETWORKS:
            network = getattr(gan, name)
            if network is None:
                continue
            layers = keras_internals.all_layers(network)
            facts[f"the layers of `{name}`"] = layers
            facts[f"the trainable weights of `{name}`"] = network.trainable_variables
            for layer in layers:
                facts.update(_settings(name, layer))
        return facts


def _settings(network, layer):
    """The plain values and functions that a layer keeps."""
    kept = {}
    if not isinstance(layer, keras.Model):
        kept = {k: v for k, v in vars(layer).items() if not k.startswith("_")}
        kept.pop("built")
    kept["call"] = vars(layer).get("call")
    return {
        f"`{name}` of the layer `{layer.name}` of `{network}`": value
        for name, value in kept.items()
        if isinstance(value, _PLAIN)
    }


def _is_same(value, other):
    """Whether two facts are equal, by identity where they are objects."""
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(_is_same, value, other))
    if isinstance(value, _PLAIN) and type(value) is type(other):
        return value == other
    return value is other
