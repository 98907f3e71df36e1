"""What the methods of `keras.Model` mean for a GAN, and why some have no meaning."""

import collections.abc
import os
import typing

import keras
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

    def save(
        self,
        filepath: str | os.PathLike[str],
        overwrite: bool = True,
        zipped: bool | None = None,
        **kwargs: typing.Any,
    ) -> None:
        """Saves the model as a `.keras` file; see `keras.Model.save`.

        Raises:
            ValueError: For HDF5, which cannot hold the two optimizers and the
                privacy history.
        """
        if str(filepath).endswith((".h5", ".hdf5")):
            raise ValueError(
                "`filepath` must end in `.keras`: an HDF5 file cannot hold the two "
                "optimizers and the privacy history of a GAN. Use "
                "`gan.save('gan.keras')` for the whole model, or "
                "`gan.save_weights('gan.weights.h5')` for its weights and history. "
                f"Received: filepath={str(filepath)!r}"
            )
        return super().save(filepath, overwrite=overwrite, zipped=zipped, **kwargs)

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

        Nothing is computed on `x`, `y` and `sample_weight`; they are taken so that
        Keras' workflows run as they are.

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
        """Sets weights; the count of updates never goes down by it.

        Updates that were made stay made, also where `EarlyStopping` restores the
        weights of an earlier epoch.
        """
        made = self.num_discriminator_updates
        super().set_weights(weights)
        self._count_at_least(made)

    def set_state_tree(self, state_tree: dict[str, typing.Any]) -> None:
        """Sets weights and optimizers; the count of updates never goes down by it."""
        made = self.num_discriminator_updates
        super().set_state_tree(state_tree)
        self._count_at_least(made)

    def _count_at_least(self, made):
        counter = self.privacy_record.num_discriminator_updates
        counter.assign(max(made, int(counter.numpy())))

    def add_loss(self, loss: typing.Any) -> typing.NoReturn:
        """Refused: a loss beside the records' losses would not be clipped."""
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
        """Refused: a GAN has two losses, and targets for neither."""
        raise _refusal("compute_loss", _TWO_LOSSES)

    def stateless_compute_loss(
        self, *args: typing.Any, **kwargs: typing.Any
    ) -> typing.NoReturn:
        """Refused, as `compute_loss`."""
        raise _refusal("stateless_compute_loss", _TWO_LOSSES)

    def compiled_loss(self, *args: typing.Any, **kwargs: typing.Any) -> typing.NoReturn:
        """Refused, as `compute_loss`."""
        raise _refusal("compiled_loss", _TWO_LOSSES)

    def compute_metrics(
        self,
        x: typing.Any,
        y: typing.Any,
        y_pred: typing.Any,
        sample_weight: typing.Any = None,
    ) -> typing.NoReturn:
        """Refused: a metric of real rows is private."""
        raise _refusal("compute_metrics", _PRIVATE_METRICS)

    @property
    def compiled_metrics(self) -> typing.NoReturn:
        """Refused, as `compute_metrics`."""
        raise _refusal("compiled_metrics", _PRIVATE_METRICS)

    def quantize(self, *args: typing.Any, **kwargs: typing.Any) -> typing.NoReturn:
        """Refused: only a generator that is no longer trained can be quantized."""
        raise _refusal("quantize", _QUANTIZE)

    def quantized_build(
        self, *args: typing.Any, **kwargs: typing.Any
    ) -> typing.NoReturn:
        """Refused, as `quantize`."""
        raise _refusal("quantized_build", _QUANTIZE)

    def quantized_call(
        self, *args: typing.Any, **kwargs: typing.Any
    ) -> typing.NoReturn:
        """Refused, as `quantize`."""
        raise _refusal("quantized_call", _QUANTIZE)

    def train_on_batch(
        self, *args: typing.Any, **kwargs: typing.Any
    ) -> typing.NoReturn:
        """Refused: how such a batch was drawn, nobody has said.

        Counted as one more draw of the last `fit`, a batch that was chosen or
        used twice would pass for a Poisson sample.

        Raises:
            ValueError: Always.
        """
        raise _refusal(
            "train_on_batch",
            "its batches have no known sampling. Give `fit` the rows, or a "
            "`keras.utils.PyDataset` or `tf.data.Dataset` of your batches; it takes "
            "`max_participations`, and the statement says what was declared",
        )


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
