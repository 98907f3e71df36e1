"""What `keras.Model`'s methods, arguments and optimizer mean for a GAN."""

import collections.abc
import typing

import keras
import numpy as np
import tensorflow as tf

from keras_dpgan._utils import keras_internals
from keras_dpgan._utils import validate
from keras_dpgan.privacy.privacy_record import PrivacyRecord


class KerasMethods(keras_internals.BuiltTrainer):
    """The part of `keras.Model` that reads one loss, one output or one file format.

    Every public method of `keras.Model` works on a `DPGAN` or is refused here with
    the reason and what to use instead.
    """

    # What `DPGAN` has.
    num_discriminator_updates: typing.Any
    generator: keras.Model
    privacy_record: PrivacyRecord

    def compute_output_shape(self, input_shape: typing.Any) -> typing.Any:
        """The shape of what the generator makes of latents, or latents and labels."""
        return self.generator.compute_output_shape(input_shape)

    def evaluate(
        self,
        x: typing.Any = None,
        y: typing.Any = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        sample_weight: typing.Any = None,
        steps: int | None = None,
        callbacks: typing.Any = None,
        return_dict: bool = False,
        **kwargs: typing.Any,
    ) -> typing.Any:
        """Losses on fresh generated rows: numbers that may be published.

        Nothing is computed from `x`, `y` and `sample_weight`. They are accepted so that
        existing Keras code runs unchanged.

        Args:
            x: Ignored, but for the number of its batches. Defaults to `None`.
            y: Ignored.
            batch_size: As in `keras.Model.evaluate`.
            verbose: As in `keras.Model.evaluate`.
            sample_weight: Ignored.
            steps: Int, batches of generated rows. Defaults to 10 without `x`.
            callbacks: As in `keras.Model.evaluate`.
            return_dict: As in `keras.Model.evaluate`.
            **kwargs: What Keras' `fit` adds.

        Returns:
            As `keras.Model.evaluate`: `g_loss` and `d_loss_fake`.
        """
        for name, value in (("batch_size", batch_size), ("steps", steps)):
            if value is not None:
                validate.check_int(name, value, minimum=1)
        if x is None and not kwargs.get("_use_cached_eval_dataset"):
            x = tf.data.Dataset.range(steps or 10).batch(1)
            y = batch_size = sample_weight = steps = None
        return super().evaluate(
            x,
            y,
            batch_size=batch_size,
            verbose=verbose,
            sample_weight=sample_weight,
            steps=steps,
            callbacks=callbacks,
            return_dict=return_dict,
            **kwargs,
        )

    def set_weights(self, weights: collections.abc.Sequence[typing.Any]) -> None:
        """Sets weights; this never lowers the count of updates.

        Updates that were made still count, also where `EarlyStopping` restores the
        weights of an earlier epoch.
        """
        made = self.num_discriminator_updates
        super().set_weights(weights)
        self._count_at_least(made)

    def set_state_tree(self, state_tree: dict[str, typing.Any]) -> None:
        """Sets weights and optimizers; this never lowers the count of updates."""
        made = self.num_discriminator_updates
        super().set_state_tree(state_tree)
        self._count_at_least(made)

    def _count_at_least(self, made):
        counter = self.privacy_record.num_discriminator_updates
        counter.assign(max(made, int(counter.numpy())))

    def get_compile_config(self) -> dict[str, typing.Any] | None:
        if self.compile_config is None:
            return None  # As in Keras: the model is saved uncompiled.
        return keras.saving.serialize_keras_object(self.compile_config.to_dict())

    def compile_from_config(self, config: dict[str, typing.Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))

    def get_config(self) -> dict[str, typing.Any]:
        return {
            **super().get_config(),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
            "generator": keras.saving.serialize_keras_object(self.generator),
            "latent_dim": self.latent_dim,
            "num_classes": self.num_classes,
            "condition_shape": self.condition_shape,
        }

    @classmethod
    def from_config(
        cls, config: dict, custom_objects: dict | None = None
    ) -> typing.Self:
        config = dict(config)
        for network in ("discriminator", "generator"):
            if config[network] is not None:
                config[network] = keras.saving.deserialize_keras_object(
                    config[network], custom_objects=custom_objects
                )
        return cls(**config)

    def add_loss(self, loss: typing.Any) -> typing.NoReturn:
        """Not supported: a loss outside of the records' losses would not be clipped."""
        raise _refusal(
            "add_loss",
            "a loss outside of the records' own losses would be neither clipped nor "
            "noised. Put it into `compile(loss=...)` as a `keras_dpgan.losses."
            "AdversarialLoss`, whose values depend on one record each",
        )

    def compute_loss(
        self,
        x: typing.Any = None,
        y: typing.Any = None,
        y_pred: typing.Any = None,
        sample_weight: typing.Any = None,
        training: bool = True,
    ) -> typing.NoReturn:
        """Not supported: a GAN has two losses and no targets."""
        raise _refusal("compute_loss", _TWO_LOSSES)

    def stateless_compute_loss(
        self, *args: typing.Any, **kwargs: typing.Any
    ) -> typing.NoReturn:
        """Not supported, as `compute_loss`."""
        raise _refusal("stateless_compute_loss", _TWO_LOSSES)

    def compiled_loss(self, *args: typing.Any, **kwargs: typing.Any) -> typing.NoReturn:
        """Not supported, as `compute_loss`."""
        raise _refusal("compiled_loss", _TWO_LOSSES)

    def compute_metrics(
        self,
        x: typing.Any,
        y: typing.Any,
        y_pred: typing.Any,
        sample_weight: typing.Any = None,
    ) -> typing.NoReturn:
        """Not supported: a metric of real rows would not be private."""
        raise _refusal("compute_metrics", _PRIVATE_METRICS)

    @property
    def compiled_metrics(self) -> typing.NoReturn:
        """Not supported, as `compute_metrics`."""
        raise _refusal("compiled_metrics", _PRIVATE_METRICS)

    def quantize(self, *args: typing.Any, **kwargs: typing.Any) -> typing.NoReturn:
        """Not supported: a generator can be quantized only after its training."""
        raise _refusal("quantize", _QUANTIZE)

    def quantized_build(
        self, *args: typing.Any, **kwargs: typing.Any
    ) -> typing.NoReturn:
        """Not supported, as `quantize`."""
        raise _refusal("quantized_build", _QUANTIZE)

    def quantized_call(
        self, *args: typing.Any, **kwargs: typing.Any
    ) -> typing.NoReturn:
        """Not supported, as `quantize`."""
        raise _refusal("quantized_call", _QUANTIZE)

    def train_on_batch(
        self, *args: typing.Any, **kwargs: typing.Any
    ) -> typing.NoReturn:
        """Not supported: the sampling of a hand-made batch is unknown.

        Counting it as Poisson, like the batches of the last `fit`, would understate
        epsilon for a batch that was chosen or used twice.

        Raises:
            ValueError: Always.
        """
        raise unknown_sampling("train_on_batch")


def check_checkpoints(callbacks):
    """Raises for a `ModelCheckpoint` that would fail after the first epoch."""
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.ModelCheckpoint):
            _check_whole_model_file(callback.filepath, callback.save_weights_only)


def _refuse_hdf5(model, filepath):
    """Raises where a GAN is the model, or a part of it, that HDF5 would hold."""
    layers = keras_internals.all_layers(model)
    if any(isinstance(layer, KerasMethods) for layer in layers):
        _check_whole_model_file(filepath)


def _check_whole_model_file(filepath, weights_only=False):
    if not weights_only and str(filepath).endswith((".h5", ".hdf5")):
        raise ValueError(
            "`filepath` must end in `.keras`: an HDF5 file cannot hold the two "
            "optimizers and the privacy history of a GAN. Use "
            "`gan.save('gan.keras')` for the whole model, or "
            "`gan.save_weights('gan.weights.h5')` for its weights and history. "
            f"Received: filepath={str(filepath)!r}"
        )


keras_internals.check_before_hdf5(_refuse_hdf5)


def check_export_arguments(format, input_signature):
    """Raises unless `export` was asked for the one form that has a privacy card."""
    if format != "tf_saved_model":
        raise ValueError(
            '`format` must be "tf_saved_model": the privacy card is part of such a '
            "folder. For another format export the generator alone, "
            f"`gan.generator.export(filepath, format={format!r})`, and publish "
            f"`gan.privacy_statement()` beside it. Received: format={format!r}"
        )
    if input_signature is not None:
        raise ValueError(
            "`input_signature` must be None: the export takes latents, and labels if "
            "the model is conditional. For a signature of your own use "
            f"`gan.generator.export`. Received: input_signature={input_signature!r:.80}"
        )


_TWO_LOSSES = (
    "a GAN has a loss for each of its networks, and rows without targets. "
    "`compile(loss=...)` chooses the pair, and `evaluate()` gives both on generated "
    "rows"
)
_PRIVATE_METRICS = (
    "a number computed on real rows would be published without noise. `evaluate()` "
    "gives losses on generated rows, and `keras_dpgan.evaluation` compares them with "
    "real ones"
)
_QUANTIZE = (
    "the networks are still trained, in floating point. Quantize a copy of the "
    "generator: `generator = keras.models.clone_model(gan.generator)`, "
    "`generator.set_weights(gan.generator.get_weights())`, "
    '`generator.quantize("int8")`'
)


def _refusal(method, reason):
    return ValueError(f"`{method}` is not supported: {reason}.")


def unknown_sampling(method):
    """The error of a method that would train on a batch of unknown origin."""
    return _refusal(
        method,
        "its batches have no known sampling. Give `fit` the rows, or a "
        "`keras.utils.PyDataset` or `tf.data.Dataset` of your batches; it takes "
        "`max_participations`, and the statement says what was declared",
    )


def check(
    validation_split,
    shuffle,
    class_weight,
    sample_weight,
    validation_batch_size,
    callbacks,
):
    """Raises for arguments of Keras' `fit` that private training cannot follow.

    Args:
        validation_split: Only 0 (or `None`).
        shuffle: Only `True`.
        class_weight: Only `None`.
        sample_weight: Only `None`.
        validation_batch_size: Positive int, or `None`.
        callbacks: List of callbacks, or `None`.

    Raises:
        ValueError: For any other value; says what to do instead.
    """
    if validation_split:
        raise ValueError(
            "`validation_split` must be 0: `evaluate` computes nothing on real rows, "
            "so rows held back for it would be lost. Split the rows before `fit`, and "
            "compare with `keras_dpgan.evaluation`. Received: "
            f"validation_split={validation_split!r}"
        )
    if shuffle is not True:
        raise ValueError(
            "`shuffle` must be True, Keras' default: each update draws a fresh Poisson "
            "batch, which has no order to keep. Batches of your own, in a "
            "`tf.data.Dataset` or `keras.utils.PyDataset`, keep their order in any "
            f"case. Received: shuffle={shuffle!r}"
        )
    if class_weight is not None:
        raise ValueError(
            "`class_weight` must be None: each record is clipped to one norm and "
            "counts as one. How often the generator makes each label is `compile("
            f"label_prior=...)`. Received: class_weight={class_weight!r:.80}"
        )
    if sample_weight is not None:
        raise ValueError(SAMPLE_WEIGHT)
    if validation_batch_size is not None:
        validate.check_int("validation_batch_size", validation_batch_size, minimum=1)
    _check_callbacks(callbacks or [])


def refuse_records(**arguments):
    """Raises a `ValueError` for records given to a `fit` that reads none."""
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(
                f"`{name}` must be left out: the model was compiled with a `critic`, "
                "which was released from the records before, so that training reads "
                "none. Compile it with a `d_optimizer` to train on records. Received: "
                f"{name} of type {type(value).__name__}"
            )


def _check_callbacks(callbacks):
    check_checkpoints(callbacks)
    if any(isinstance(c, keras.callbacks.TerminateOnNaN) for c in callbacks):
        raise ValueError(
            "`TerminateOnNaN` watches a log named `loss`, which a GAN does not have: "
            "it would never stop the training. Watch `g_loss`, as in "
            "`keras.callbacks.LambdaCallback("
            "on_train_batch_end=lambda batch, logs: setattr(gan, 'stop_training', "
            "not math.isfinite(logs['g_loss'])))`."
        )


SAMPLE_WEIGHT = (
    "`sample_weight` must be None: each record is clipped to one norm and counts as "
    "one. Give `fit` `x` and `y`, or batches of `x` or `(x, y)`. Received: weights"
)


class OptimizerPair:
    """Stands for the discriminator's and the generator's optimizer together.

    It is no `keras.optimizers.Optimizer`, so that Keras neither steps nor saves
    it; callbacks find in it what they look for.

    Args:
        d_optimizer: A Keras optimizer, or `None` where the generator alone is trained.
        g_optimizer: A Keras optimizer.

    Attributes:
        optimizers: `[d_optimizer, g_optimizer]`, or `[g_optimizer]`.
        built: `True`.
    """

    def __init__(self, d_optimizer, g_optimizer):
        both = (d_optimizer, g_optimizer)
        self.optimizers = [o for o in both if o is not None]
        self.built = True

    @property
    def iterations(self):
        """The first optimizer's iteration counter."""
        return self.optimizers[0].iterations

    @property
    def variables(self):
        """The variables of both optimizers, which `summary` counts."""
        return [v for optimizer in self.optimizers for v in optimizer.variables]

    @property
    def learning_rate(self):
        """The learning rate, where both optimizers have the same one.

        Raises:
            ValueError: If they differ: a callback that sets one rate for both
                would change their ratio.
        """
        first, second = (self.optimizers[i].learning_rate for i in (0, -1))
        if not np.isclose(float(first), float(second)):
            raise ValueError(
                "The discriminator's and the generator's learning rates differ "
                f"({float(first):g} and {float(second):g}), and this callback sets "
                "one rate for both. Give each optimizer a "
                "`keras.optimizers.schedules.LearningRateSchedule` instead."
            )
        return first

    @learning_rate.setter
    def learning_rate(self, value):
        for optimizer in self.optimizers:
            optimizer.learning_rate = value

    def get_config(self):
        """The configurations of both optimizers, which trackers log."""
        names = ("d_optimizer", "g_optimizer")[-len(self.optimizers) :]
        return {
            name: optimizer.get_config()
            for name, optimizer in zip(names, self.optimizers, strict=True)
        }

    @property
    def weights(self):
        """Refused: Keras reads them where it writes a whole model as HDF5.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            "A `DPGAN` is saved in a `.keras` file, `gan.save('gan.keras')`, or its "
            "weights and history in a `.weights.h5` file. An HDF5 file of the whole "
            "model cannot hold two optimizers and the privacy history."
        )

    def finalize(self, d_variables, g_variables):
        """Ends a `fit`: weights become their moving average, where asked for."""
        variables_of_each = (d_variables, g_variables)[-len(self.optimizers) :]
        for optimizer, variables in zip(
            self.optimizers, variables_of_each, strict=True
        ):
            optimizer.finalize_variable_values(variables)
