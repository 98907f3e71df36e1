"""The arguments of `compile`: checked, and made into objects."""

import dataclasses

import keras
import numpy.typing as npt

from keras_dpgan import losses
from keras_dpgan import privacy
from keras_dpgan._utils import keras_internals
from keras_dpgan._utils import tensorflow_internals
from keras_dpgan._utils import validate
from keras_dpgan.clipping import precision
from keras_dpgan.distribution import workers
from keras_dpgan.gan import arbiter
from keras_dpgan.gan import networks
from keras_dpgan.gan import validated
from keras_dpgan.gan.discriminator_steps import AdaptiveDiscriminatorSteps
from keras_dpgan.gan.train_step import TrainingStep
from keras_dpgan.losses.gradient_penalty import as_penalty
from keras_dpgan.losses.weight_clipping import as_weight_clipping
from keras_dpgan.optimizers import DPOptimizer
from keras_dpgan.privacy import row_probe

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


@dataclasses.dataclass(frozen=True)
class CompileConfig:
    """The arguments of one `compile`, each of them checked.

    Attributes:
        d_optimizer: A `DPOptimizer`, or a plain one where `private` is `False`.
        g_optimizer: A plain Keras optimizer.
        loss: A name or object of `keras_dpgan.losses`.
        gradient_penalty: A weight, a `GradientPenalty`, or `None`.
        weight_clip: A limit, a `WeightClipping`, or `None`.
        discriminator_steps: Int, or an `AdaptiveDiscriminatorSteps`.
        engine: String, see `keras_dpgan.clipping.get_engine`.
        private: Bool.
        physical_batch_size: Int, or `None`.
        label_prior: Array of public probabilities, or `None`.
        condition_prior: Array of public conditions, or `None`.
        jit_compile: Bool.
        of_keras: Dict, the other arguments of `keras.Model.compile`.
    """

    d_optimizer: keras.optimizers.Optimizer
    g_optimizer: keras.optimizers.Optimizer
    loss: losses.AdversarialLoss | str
    gradient_penalty: losses.GradientPenalty | float | None
    weight_clip: losses.WeightClipping | float | None
    discriminator_steps: AdaptiveDiscriminatorSteps | int
    engine: str
    private: bool
    physical_batch_size: int | None
    label_prior: npt.ArrayLike | None
    condition_prior: npt.ArrayLike | None
    jit_compile: bool
    of_keras: dict

    @classmethod
    def checked(cls, strategy, d_optimizer, g_optimizer, of_keras, **arguments):
        """Resolves and checks what can be checked without the networks.

        Args:
            strategy: The `tf.distribute.Strategy` of the model.
            d_optimizer: See `DPGAN.compile`.
            g_optimizer: See there.
            of_keras: Dict, what `compile` was given beside its own arguments.
            **arguments: See there.

        Returns:
            A `CompileConfig`.

        Raises:
            TypeError: For an argument that there is not.
            ValueError: For a value that does not fit; names the argument.
        """
        workers.check_strategy(strategy)
        of_keras = check_keras_arguments(of_keras)
        arguments["jit_compile"] = resolve_jit_compile(arguments["jit_compile"])
        d_optimizer, g_optimizer = resolve_optimizers(
            d_optimizer, g_optimizer, arguments["private"]
        )
        config = cls(d_optimizer, g_optimizer, of_keras=of_keras, **arguments)
        _check_noise_source(d_optimizer, config.jit_compile)
        _check_compilation(config.jit_compile, strategy)
        _check_slope_bounds(config.gradient_penalty, config.weight_clip)
        if config.schedule is not None:
            _check_boundary(losses.get(config.loss))
        else:
            validate.check_int(
                "discriminator_steps", config.discriminator_steps, minimum=1
            )
        if config.physical_batch_size is not None:
            validate.check_int(
                "physical_batch_size", config.physical_batch_size, minimum=1
            )
        return config

    @property
    def schedule(self):
        """The `AdaptiveDiscriminatorSteps`, or `None` for a fixed number."""
        is_adaptive = isinstance(self.discriminator_steps, AdaptiveDiscriminatorSteps)
        return self.discriminator_steps if is_adaptive else None

    def check_networks(self, discriminator, generator):
        """Raises a `ValueError` if an optimizer or a network cannot be trained."""
        check_unused("d_optimizer", self.d_optimizer, discriminator.trainable_variables)
        check_unused("g_optimizer", self.g_optimizer, generator.trainable_variables)
        validated.check_trainable(discriminator, generator)

    def training_step(self, discriminator, generation, row_shape):
        """What training does with a batch, including the engine that clips it.

        Args:
            discriminator: A built `keras.Model`.
            generation: A `PublicGeneration`.
            row_shape: Tuple of ints, the shape of a row.

        Returns:
            A `TrainingStep`.

        Raises:
            ValueError: If the discriminator, the loss or the penalty would break the
                guarantee, or if no gradient reaches the rows.
        """
        networks.check(discriminator, generation)
        with tensorflow_internals.few_runs:
            return self._checked_step(discriminator, generation, row_shape)

    def _checked_step(self, discriminator, generation, row_shape):
        inputs = None
        if self.private:
            rows = row_probe.random_rows(row_shape)
            inputs = generation.probe_inputs(discriminator, rows)
            privacy.validation.check_few_rows(discriminator, inputs)
        step = TrainingStep(
            discriminator,
            generation,
            self.d_optimizer,
            _scaled_if_half_precision(self.g_optimizer, generation.generator),
            losses.resolve(losses.get(self.loss), discriminator),
            as_penalty(self.gradient_penalty),
            as_weight_clipping(self.weight_clip),
        )
        if self.private:
            precision.require_full_precision()
            step.engine = arbiter.choose_engine(
                step,
                row_shape,
                inputs,
                self.engine,
                self.physical_batch_size,
                self.jit_compile,
            )
        return step

    def to_dict(self):
        """The arguments as `DPGAN.compile` takes them."""
        arguments = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return arguments | arguments.pop("of_keras")


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
    """Whether XLA compiles. `"auto"`, Keras' default, lets this package decide.

    Batches differ in size, and XLA compiles anew for each size. So `"auto"` is `False`.

    Raises:
        ValueError: For anything but `True`, `False` and `"auto"`.
    """
    if isinstance(jit_compile, str) and jit_compile == "auto":
        return False
    if not isinstance(jit_compile, bool):
        raise ValueError(
            '`jit_compile` must be True, False or "auto", which is False: XLA compiles '
            f"again for batches of another size. Received: jit_compile={jit_compile!r}"
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


def resolve_generator_optimizer(g_optimizer, generator):
    """The optimizer of a generator that is trained without a discriminator.

    Args:
        g_optimizer: A plain Keras optimizer, its configuration or its name.
        generator: A built `keras.Model`.

    Returns:
        A Keras optimizer.

    Raises:
        ValueError: If it is none, or was built for another network, or if the
            generator has nothing to train.
    """
    optimizer = _resolve("g_optimizer", g_optimizer)
    _check_plain(optimizer)
    check_unused("g_optimizer", optimizer, generator.trainable_variables)
    validated.check_trainable(None, generator)
    return _scaled_if_half_precision(optimizer, generator)


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
    _check_plain(g_optimizer)


def _check_plain(g_optimizer):
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
    """The optimizer inside all optimizers that wrap it."""
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    return optimizer


def _check_boundary(loss):
    if loss.boundary is None:
        raise ValueError(
            "`discriminator_steps` can be adaptive only with a loss whose scores say "
            "whether a row is generated: "
            '"non_saturating", "minimax" or "hinge". Received: '
            f"loss={type(loss).__name__}"
        )


def _check_noise_source(d_optimizer, jit_compile):
    if jit_compile and getattr(d_optimizer, "noise_source", None) == "secure":
        raise ValueError(
            '`jit_compile` must be False with `noise_source="secure"`, whose noise '
            f"XLA cannot compile. Received: jit_compile={jit_compile}"
        )


def _check_compilation(jit_compile, strategy):
    if jit_compile and strategy.num_replicas_in_sync > 1:
        raise ValueError(
            "`jit_compile` must be False on several replicas: XLA compiles for one "
            f"device. Received: jit_compile={jit_compile} with "
            f"{strategy.num_replicas_in_sync} replicas"
        )


def _check_slope_bounds(gradient_penalty, weight_clip):
    if gradient_penalty is not None and weight_clip is not None:
        raise ValueError(
            "Give `gradient_penalty` or `weight_clip`, not both: each bounds the "
            f"slope. Received: gradient_penalty={gradient_penalty}, "
            f"weight_clip={weight_clip}"
        )


def _scaled_if_half_precision(g_optimizer, generator):
    """The generator's loss scale may be dynamic: it sees public numbers only."""
    if generator.compute_dtype != "float16":
        return g_optimizer
    if isinstance(g_optimizer, keras.optimizers.LossScaleOptimizer):
        return g_optimizer
    return keras.optimizers.LossScaleOptimizer(g_optimizer)
