"""The optimizers and Keras' own arguments of `compile`, resolved or refused."""

import keras

from keras_dpgan._utils import keras_internals
from keras_dpgan.optimizers import DPOptimizer

_OF_KERAS = ("run_eagerly", "steps_per_execution", "auto_scale_loss")

_REFUSED = {
    "optimizer": (
        "a GAN has two optimizers: give `d_optimizer`, a DP optimizer, and "
        "`g_optimizer`"
    ),
    "metrics": (
        "a metric of real rows would be published without noise. `g_loss` and "
        "`d_loss_fake` are logged, and `keras_dpgan.evaluation` compares generated "
        "rows with real ones"
    ),
    "weighted_metrics": (
        "a metric of real rows would be published without noise. `g_loss` and "
        "`d_loss_fake` are logged"
    ),
    "loss_weights": (
        "the two losses are minimized one at a time by two optimizers: set their "
        "`learning_rate`s instead"
    ),
}


def check_keras_arguments(arguments):
    """Raises for arguments of `keras.Model.compile` that a GAN cannot follow.

    Args:
        arguments: Dict, what `compile` was given beside its own arguments.

    Returns:
        The same without arguments that ask for nothing, such as `metrics=None`.

    Raises:
        ValueError: For an argument of Keras' that has no meaning here.
        TypeError: For a name that neither Keras nor `DPGAN` knows.
    """
    kept = {}
    for name, value in arguments.items():
        if name in _OF_KERAS:
            kept[name] = value
        elif name not in _REFUSED:
            raise TypeError(
                f"`compile` has no argument `{name}`. See `help(DPGAN.compile)`. "
                f"Received: {name}={value!r:.80}"
            )
        elif value is not None:
            raise ValueError(
                f"`{name}` must be left out: {_REFUSED[name]}. "
                f"Received: {name}={value!r:.80}"
            )
    return kept


def resolve_jit_compile(jit_compile):
    """Whether XLA compiles: `"auto"`, Keras' default, leaves that to us.

    Batches differ in size, and XLA compiles anew for each size; the engine of the
    norms without gradients cannot run in it at all. So `"auto"` is `False`.

    Raises:
        ValueError: For anything but `True`, `False` and `"auto"`.
    """
    if isinstance(jit_compile, str) and jit_compile == "auto":
        return False
    if not isinstance(jit_compile, bool):
        raise ValueError(
            '`jit_compile` must be True, False or "auto", which is False: XLA runs '
            "only the slower clipping engine and compiles again for batches of "
            f"another size. Received: jit_compile={jit_compile!r}"
        )
    return jit_compile


def resolve_optimizers(d_optimizer, g_optimizer, private):
    """Turns names and configurations into optimizers, as Keras does.

    Args:
        d_optimizer: A DP optimizer or its configuration; with `private=False` a plain
            optimizer, its configuration or its name.
        g_optimizer: A plain optimizer, its configuration or its name.
        private: Whether the discriminator has to be private.

    Returns:
        The two optimizer objects.

    Raises:
        ValueError: If one is not what it has to be, or both are the same.
    """
    if private and isinstance(d_optimizer, str):
        raise ValueError(_name_message(d_optimizer))
    d_optimizer = _resolve("d_optimizer", d_optimizer)
    g_optimizer = _resolve("g_optimizer", g_optimizer)
    _check_kinds(d_optimizer, g_optimizer, private)
    if _innermost(d_optimizer) is _innermost(g_optimizer):
        raise ValueError(
            "`d_optimizer` and `g_optimizer` must be two objects: an optimizer keeps "
            "the state of the variables of one network. Make one for each. Received: "
            f"one {type(_innermost(d_optimizer)).__name__} object as both"
        )
    return d_optimizer, g_optimizer


def check_unused(name, optimizer, variables):
    """Raises if an optimizer was built for other variables.

    Args:
        name: The argument's name.
        optimizer: A Keras optimizer.
        variables: The variables that it is about to train.

    Raises:
        ValueError: If another network has used it.
    """
    inner = _innermost(optimizer)
    if not inner.built:
        return
    known = {id(v) for v in keras_internals.variables_of(inner)}
    if known != {id(v) for v in variables}:
        raise ValueError(
            f"`{name}` was built for the variables of another network, or before "
            "layers of this one were frozen or made trainable. Make a new optimizer "
            "for each `compile` of a new model. Received: a built "
            f"{type(optimizer).__name__} named {optimizer.name!r}"
        )


def _resolve(name, identifier):
    if isinstance(identifier, keras.optimizers.Optimizer):
        return identifier
    if isinstance(identifier, type):
        raise ValueError(
            f"`{name}` must be an optimizer, not its class: write "
            f"`{identifier.__name__}(...)` with its arguments. Received: "
            f"{name}={identifier!r}"
        )
    if isinstance(identifier, str | dict):
        try:
            return keras.optimizers.get(identifier)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"`{name}` must be an optimizer, or the name or configuration of one "
                f"that Keras knows. Received: {name}={identifier!r:.80}"
            ) from error
    raise ValueError(
        f"`{name}` must be a Keras optimizer. Received: {name}={identifier!r:.80}"
    )


def _check_kinds(d_optimizer, g_optimizer, private):
    if private and not isinstance(d_optimizer, DPOptimizer):
        raise ValueError(
            "`d_optimizer` must be a DP optimizer, such as `keras_dpgan.optimizers."
            "DPKerasAdamOptimizer(l2_norm_clip=1.0, noise_multiplier=0.6)`. A plain "
            "optimizer gives no privacy; allow it with `private=False`. Received: "
            f"d_optimizer={d_optimizer!r:.80}"
        )
    if not private and isinstance(d_optimizer, DPOptimizer):
        raise ValueError(
            "`private=False` takes a plain Keras optimizer as `d_optimizer`. "
            f"Received: d_optimizer={d_optimizer!r:.80}"
        )
    if isinstance(g_optimizer, DPOptimizer):
        raise ValueError(
            "`g_optimizer` must be a plain Keras optimizer: the generator sees no "
            "record, so noise there would only cost quality. Received: "
            f"g_optimizer={g_optimizer!r:.80}"
        )


def _name_message(name):
    known = {
        "adagrad": "DPKerasAdagradOptimizer(",
        "adam": "DPKerasAdamOptimizer(",
        "rmsprop": "DPKerasRMSpropOptimizer(",
        "sgd": "DPKerasSGDOptimizer(",
    }
    call = known.get(name.lower(), f"DPOptimizer(keras.optimizers.get({name!r}), ")
    return (
        "`d_optimizer` must be a DP optimizer: a name says neither how records are "
        "clipped nor how much noise there is. Write `keras_dpgan.optimizers."
        f"{call}l2_norm_clip=1.0, noise_multiplier=0.6)`; `keras_dpgan.privacy.plan` "
        "finds the noise for a budget. A plain optimizer goes with `private=False`. "
        f"Received: d_optimizer={name!r}"
    )


def _innermost(optimizer):
    """What an optimizer that wraps another one drives in the end."""
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    return optimizer
