"""A generative adversarial network that is trained with differential privacy."""

import collections.abc
import random
import typing

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from keras_dpgan import losses
from keras_dpgan import optimizers
from keras_dpgan import privacy
from keras_dpgan._utils import validate
from keras_dpgan.critics.released_critic import ReleasedCritic
from keras_dpgan.data.records import IndexedRows
from keras_dpgan.distribution import workers
from keras_dpgan.gan import critic_training
from keras_dpgan.gan import fit_data
from keras_dpgan.gan import keras_methods
from keras_dpgan.gan import network_inputs
from keras_dpgan.gan import networks
from keras_dpgan.gan import validated
from keras_dpgan.gan.compile_config import CompileConfig
from keras_dpgan.gan.critic_training import CriticMethods
from keras_dpgan.gan.discriminator_steps import AdaptiveDiscriminatorSteps
from keras_dpgan.gan.fit_session import FitSession
from keras_dpgan.gan.keras_methods import KerasMethods
from keras_dpgan.gan.keras_methods import OptimizerPair
from keras_dpgan.gan.keras_methods import unknown_sampling
from keras_dpgan.gan.networks import PublicGeneration
from keras_dpgan.gan.privacy_methods import PrivacyMethods
from keras_dpgan.gan.train_step import Alternation
from keras_dpgan.gan.train_step import TrainingStep
from keras_dpgan.models.output_range import output_range
from keras_dpgan.privacy.privacy_record import PrivacyRecord
from keras_dpgan.sampling import conditions
from keras_dpgan.sampling import randomness
from keras_dpgan.sampling.randomness import PublicDraws

_EVALUATION_ROWS = 256


@keras.saving.register_keras_serializable(package="keras_dpgan")
class DPGAN(validate.ReadOnly, CriticMethods, PrivacyMethods, KerasMethods):
    """A GAN whose generator may be published.

    The discriminator learns from private records through clipped and noised
    gradients; the generator learns from the discriminator alone. It is used like
    any Keras model.

    The unit of privacy is one row of the data. Source of the training step: Abadi
    et al. 2016 for the discriminator; Bie et al. 2023, "Private GANs, Revisited",
    for the several discriminator updates per generator step.

    Examples:
        >>> import keras
        >>> import numpy as np
        >>> x_train = np.random.normal(size=(40, 4)).astype("float32")
        >>> y_train = np.arange(40) % 3
        >>> gan = dpgan.DPGAN(
        ...     discriminator=dpgan.models.vector_discriminator(
        ...         4, num_classes=3, hidden=(16,)
        ...     ),
        ...     generator=dpgan.models.vector_generator(
        ...         4, latent_dim=8, num_classes=3, hidden=(16,)
        ...     ),
        ... )
        >>> gan.compile(
        ...     d_optimizer=dpgan.optimizers.DPKerasAdamOptimizer(
        ...         l2_norm_clip=1.0, noise_multiplier=0.6, learning_rate=5e-4
        ...     ),
        ...     g_optimizer=keras.optimizers.Adam(5e-4, beta_1=0.5),
        ...     loss="non_saturating",
        ...     discriminator_steps=2,
        ... )
        >>> history = gan.fit(x_train, y_train, batch_size=20, epochs=1, verbose=0)
        >>> rows, labels = gan.sample(5)
        >>> rows.shape, labels.shape
        ((5, 4), (5,))
        >>> round(gan.privacy_statement(delta=1e-2).epsilon, 1)
        5.0

    Args:
        discriminator: A `keras.Model` that gives one score per row, called on
            rows or, if conditional, on `[rows, labels]`. No layer of it may mix
            rows or keep statistics of them. It may have class logits of shape
            `(n, num_classes)` as a second output, and takes rows alone then, or
            `[rows, labels]`: the class loss of a record and of its fake is part of
            the record's loss (AC-GAN). `None` for a generator that only learns from
            released critics (`compile(critic=...)`).
        generator: A `keras.Model` that makes rows from latents of shape
            `(n, latent_dim)` or, if conditional, from `[latents, labels]`. Its second
            input may also be a vector per row, floats or int categories of shape
            `(n, d)`: a condition, which `y` gives for each record.
        latent_dim: Int, or tuple of ints for latents of another shape. Defaults to
            `None`: read off the generator's inputs.
        num_classes: Int, or `None` for an unconditional model. Defaults to
            `None`: read off the generator.
        condition_shape: Tuple `(d,)`, for a generator without declared inputs that
            takes a vector of floats. Defaults to `None`: read off the generator.
        **kwargs: `name` and the other arguments of `keras.Model`.

    Raises:
        ValueError: If the two models do not fit each other.
    """

    _read_only = validated.READ_ONLY

    def __init__(
        self,
        discriminator: keras.Model | None,
        generator: keras.Model,
        latent_dim: int | tuple[int, ...] | None = None,
        num_classes: int | None = None,
        condition_shape: tuple[int, ...] | None = None,
        **kwargs: typing.Any,
    ) -> None:
        if discriminator is not None:
            network_inputs.check_network("discriminator", discriminator)
        network_inputs.check_network("generator", generator)
        super().__init__(**kwargs)
        # `Any`, since there is none where released critics alone are learned from.
        self.discriminator: typing.Any = discriminator
        self.generator = generator
        latent_shape = network_inputs.latent_shape(generator, latent_dim)
        condition = network_inputs.condition(generator, num_classes, condition_shape)
        self.latent_dim = latent_shape if len(latent_shape) > 1 else latent_shape[0]
        self.row_shape = networks.build_and_check(
            discriminator, generator, latent_shape, condition
        )
        self.generation = PublicGeneration(generator, latent_shape, condition)
        self.num_classes = self.generation.num_classes
        vector = self.generation.vector_condition
        self.condition_shape = None if vector is None else vector.shape
        self.private = True
        self.initial_epoch = 0
        self.privacy_record = PrivacyRecord(name="privacy_record")
        present = (discriminator, generator)
        self.privacy_record.watch([n for n in present if n is not None])
        self.session = FitSession(self)
        self._delta: float | None = None
        self.compile_config = None
        self.critics: tuple = ()
        self.g_loss_metric = keras.metrics.Mean(name="g_loss")
        self.d_loss_fake_metric = keras.metrics.Mean(name="d_loss_fake")
        # Of public draws. Keras' own seeds come from there, too:
        # `keras.utils.set_random_seed` fixes them.
        self.public_seed = random.randrange(2**31)
        self.built = True

    def call(self, inputs: typing.Any, training: bool | None = None) -> typing.Any:
        """Generates rows from latents, or from `[latents, labels]`."""
        network_inputs.check_called_with(self.generator, inputs)
        return self.generator(inputs, training=training)

    @validated.compiles
    def compile(
        self,
        d_optimizer: optimizers.DPOptimizer
        | keras.optimizers.Optimizer
        | str
        | None = None,
        g_optimizer: keras.optimizers.Optimizer | str | None = None,
        loss: losses.AdversarialLoss | str = "non_saturating",
        gradient_penalty: losses.GradientPenalty | float | None = None,
        weight_clip: losses.WeightClipping | float | None = None,
        discriminator_steps: AdaptiveDiscriminatorSteps | int = 1,
        engine: str = "auto",
        private: bool = True,
        physical_batch_size: int | None = None,
        label_prior: npt.ArrayLike | None = None,
        condition_prior: npt.ArrayLike | None = None,
        jit_compile: bool | str = False,
        critic: ReleasedCritic | collections.abc.Sequence[ReleasedCritic] | None = None,
        **kwargs: typing.Any,
    ) -> None:
        """Configures training.

        Either of a discriminator, by a `d_optimizer`, together with the generator. Or,
        with a `critic`, of the generator alone, against what was released once.

        Args:
            d_optimizer: A `DPOptimizer`; with `private=False` a plain Keras
                optimizer, or its name.
            g_optimizer: A plain Keras optimizer, or its name.
            loss: A name or object of `keras_dpgan.losses`. Defaults to
                `"non_saturating"`.
            gradient_penalty: A weight, or a `GradientPenalty`. Defaults to
                `None`.
            weight_clip: A limit, or a `WeightClipping`. Defaults to `None`.
            discriminator_steps: Int, discriminator updates per generator step, or
                an `AdaptiveDiscriminatorSteps`. Defaults to `1`.
            engine: How records are clipped: `"ghost"`, `"vectorized"`,
                `"tf_privacy"`, or `"auto"`, which is `"ghost"` where that can be.
                See `keras_dpgan.clipping.get_engine`. Defaults to `"auto"`.
            private: `False` is the permission for a plain `d_optimizer`, which
                gives no privacy. Defaults to `True`.
            physical_batch_size: Int, the most records that are worked on at
                once. It changes memory and nothing else. Defaults to `None`.
            label_prior: Public probabilities of the labels, of length
                `num_classes`, for the generator. Defaults to `None`: uniform.
            condition_prior: Array of public conditions, of shape `(m, d)`, for a
                generator that takes a vector besides latents: fakes are made for
                conditions drawn from it. Defaults to `None`.
            jit_compile: Whether to compile with XLA, which takes a minute and slows
                convolutions on a processor. What XLA cannot compile of an engine is
                found out here. Defaults to `False`; `"auto"` is the same.
            critic: A `critics.ReleasedCritic`, or a list of them: `fit` then trains
                the generator against them and reads no record. What they cost is
                counted by this call. Besides it only `g_optimizer`, `label_prior` and
                Keras' own arguments are given. Defaults to `None`.
            **kwargs: `run_eagerly`, `steps_per_execution` and
                `auto_scale_loss` of `keras.Model.compile`.

        Raises:
            TypeError: For an argument that there is not.
            ValueError: If optimizer and `private` do not fit, if both a penalty
                and a weight clip are given, or if the discriminator has a layer
                that would break the guarantee.
        """
        if critic is not None:
            self._compile_with_critics(
                critic_training.check_arguments(
                    self,
                    critic,
                    d_optimizer=(d_optimizer, None),
                    loss=(loss, "non_saturating"),
                    gradient_penalty=(gradient_penalty, None),
                    weight_clip=(weight_clip, None),
                    discriminator_steps=(discriminator_steps, 1),
                    engine=(engine, "auto"),
                    private=(private, True),
                    physical_batch_size=(physical_batch_size, None),
                    condition_prior=(condition_prior, None),
                ),
                g_optimizer,
                label_prior,
                jit_compile,
                kwargs,
            )
            return
        if self.discriminator is None:
            raise ValueError(
                "`critic` must be given to `compile`, since this `DPGAN` has no "
                "`discriminator`. Release one with `critics.release_critic`, or make a "
                "`DPGAN` with a discriminator. Received: critic=None"
            )
        config = CompileConfig.checked(
            self.distribute_strategy,
            d_optimizer,
            g_optimizer,
            loss=loss,
            gradient_penalty=gradient_penalty,
            weight_clip=weight_clip,
            discriminator_steps=discriminator_steps,
            engine=engine,
            private=private,
            physical_batch_size=physical_batch_size,
            label_prior=label_prior,
            condition_prior=condition_prior,
            jit_compile=jit_compile,
            of_keras=kwargs,
        )
        config.check_networks(self.discriminator, self.generator)
        condition = conditions.with_prior(
            self.generation.condition, label_prior, condition_prior
        )
        generation = PublicGeneration(
            self.generator, self.generation.latent_shape, condition
        )
        step = config.training_step(self.discriminator, generation, self.row_shape)
        super().compile(
            optimizer=None,
            loss=None,
            jit_compile=config.jit_compile,
            **config.of_keras,
        )
        self.compile_config = config
        self.critics = ()
        self.loss = loss
        self.private = private
        self.discriminator_steps = discriminator_steps
        self.d_optimizer: typing.Any = step.d_optimizer
        self.g_optimizer = step.g_optimizer
        # Built here: a weight file loaded into an optimizer that is not built
        # leaves its counters at zero.
        self.d_optimizer.build(self.discriminator.trainable_variables)
        self.g_optimizer.build(self.generator.trainable_variables)
        self.optimizer = OptimizerPair(self.d_optimizer, self.g_optimizer)
        self.generation = generation
        self.alternation: typing.Any = Alternation(self, step, config.schedule)
        self._validated = validated.Validated(self, step)
        self.count_label_prior(label_prior)
        self.reset_metrics()

    def fit(
        self,
        x: IndexedRows | collections.abc.Iterable[typing.Any] | None = None,
        y: IndexedRows | None = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: collections.abc.Sequence[keras.callbacks.Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: typing.Any = None,
        shuffle: bool = True,
        class_weight: None = None,
        sample_weight: None = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
        *,
        expected_batch_size: float | None = None,
        max_participations: int | None = None,
        ledger: privacy.Ledger | None = None,
    ) -> keras.callbacks.History:
        """Trains, one discriminator update per step.

        Arrays become a `PoissonDataset`, from which each update draws a fresh
        batch: an epoch is `n / batch_size` updates. The arguments are those of
        `keras.Model.fit`, in the same order, and three of our own.

        After `compile(critic=...)` each step is one of the generator, on `batch_size`
        generated rows, and there are `steps_per_epoch` (100 unless given) in an epoch;
        no records are given. `g_loss` is then the mean squared distance of the
        generated rows' features from what was released, and nothing else is logged.

        Args:
            x: Rows of shape `(n, ...)` in the generator's range; or a
                `PoissonDataset` or an `AllocationDataset`; or other data that Keras
                takes, without the amplification by sampling that those have. Of such
                data the first batch is checked before any update. A later record whose
                label or category is out of range counts as absent, and so, with
                privacy, does one that is not finite; one outside of the generator's
                range is taken as it is, and clipped.
            y: Int labels of shape `(n,)` for a conditional model.
            batch_size: Int, the expected batch size. Defaults to 256.
            epochs: Int.
            verbose: As in `keras.Model.fit`.
            callbacks: List of `keras.callbacks.Callback`.
            validation_split: Only 0: nothing is computed on rows held back.
            validation_data: Anything; `evaluate` reports public numbers only.
            shuffle: Only `True`: Poisson batches have no order. Batches of your own
                keep theirs.
            class_weight: Only `None`: each record counts as one.
            sample_weight: Only `None`: each record counts as one.
            initial_epoch: As in `keras.Model.fit`.
            steps_per_epoch: As in `keras.Model.fit`.
            validation_steps: As in `keras.Model.fit`.
            validation_batch_size: As in `keras.Model.fit`.
            validation_freq: As in `keras.Model.fit`.
            expected_batch_size: For data that is neither an array nor a
                `PoissonDataset`: what the noised sum is divided by. Defaults to
                `None`: the static batch size, if there is one.
            max_participations: For such data, the most updates that one record
                takes part in. Defaults to `None`: every one.
            ledger: A `privacy.Ledger` of the data, in which each update is entered
                before it is made. Of several workers the chief alone has it.
                Defaults to `None`: the model alone keeps count, and what a kill
                loses is not counted.

        Returns:
            A `keras.callbacks.History` with `g_loss`, `d_loss_fake` and, if
            private, `epsilon` (at `self.delta`, an upper bound).

        Raises:
            ValueError: For data that does not fit; names the argument.
        """
        self._assert_compile_called("fit")
        keras_methods.check(
            validation_split,
            shuffle,
            class_weight,
            sample_weight,
            validation_batch_size,
            callbacks,
        )
        if self.critics:
            keras_methods.refuse_records(
                x=x,
                y=y,
                expected_batch_size=expected_batch_size,
                max_participations=max_participations,
                ledger=ledger,
            )
            return self._fit_to_critics(
                batch_size,
                epochs=epochs,
                verbose=verbose,
                callbacks=callbacks,
                validation_data=validation_data,
                initial_epoch=initial_epoch,
                steps_per_epoch=steps_per_epoch,
                validation_steps=validation_steps,
                validation_freq=validation_freq,
            )
        data = fit_data.from_fit_arguments(
            x,
            y,
            batch_size,
            steps_per_epoch,
            self.row_shape,
            self.num_classes,
            output_range(self.generator),
            expected_batch_size,
            max_participations,
            self.generation.vector_condition,
        )
        with workers.explained_losses(self.distribute_strategy):
            self._validated.check()
            data = self.session.begin(data, ledger)
            self.initial_epoch = initial_epoch
            history = super().fit(
                data.batches,
                epochs=epochs,
                verbose=verbose,
                callbacks=self.session.callbacks(callbacks),
                validation_data=validation_data,
                initial_epoch=initial_epoch,
                steps_per_epoch=data.steps_per_epoch,
                validation_steps=validation_steps,
                validation_batch_size=validation_batch_size,
                validation_freq=validation_freq,
                shuffle=False,
            )
        self.session.end(epochs - initial_epoch)
        self.optimizer.finalize(
            self.discriminator.trainable_variables, self.generator.trainable_variables
        )
        self.privacy_record.note()
        return history

    def make_train_function(self, force: bool = False) -> None:
        """Makes a train function that counts updates before it makes them."""
        if self.train_function is not None and not force:
            return
        super().make_train_function(force)
        if not self.critics:
            self.train_function = self.session.counted(self.train_function)

    def train_step(self, data: typing.Any) -> dict[str, tf.Tensor]:
        """One discriminator update and, when due, one generator step, within `fit`.

        Raises:
            ValueError: If it is called by hand: the sampling of a hand-made batch is
                unknown, and no ledger has entered it.
        """
        if not self.critics and not self.session.is_counting:
            raise unknown_sampling("train_step")
        # Where it is traced, and in eager mode each time: what runs is what was
        # validated.
        self._validated.check()
        self.alternation.run(data)
        return self._logs()

    def _logs(self):
        logs = {m.name: m.result() for m in self.metrics}
        if self.private and not self.critics:
            logs["epsilon"] = self.session.limits.epsilon(self.alternation.count())
        return self._reducible(logs)

    def _reducible(self, logs):
        """Gives logs the axis over which Keras takes the mean of several workers."""
        if not workers.are_several(self.distribute_strategy):
            return logs
        return {name: tf.reshape(value, (1,)) for name, value in logs.items()}

    def test_step(self, data: typing.Any) -> dict[str, tf.Tensor]:
        """Computes public numbers only, and does not look at `data`."""
        del data
        if self.critics:
            self.g_loss_metric.update_state(self.alternation.step.distance())
            return self._reducible({m.name: m.result() for m in self.metrics})
        number = tf.random.uniform((), maxval=tf.int64.max, dtype=tf.int64)
        draws = PublicDraws(self.public_seed, number, randomness.EVALUATION)
        labels = self.generation.labels(_EVALUATION_ROWS, draws)
        g_loss, d_loss_fake, _ = self.alternation.step.public_losses(
            _EVALUATION_ROWS, labels, False, draws
        )
        self.g_loss_metric.update_state(g_loss)
        self.d_loss_fake_metric.update_state(d_loss_fake)
        return self._reducible({m.name: m.result() for m in self.metrics})

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        if self.critics:
            return [self.g_loss_metric]
        return [self.g_loss_metric, self.d_loss_fake_metric]

    def sample(
        self, n: int, labels: npt.ArrayLike | None = None, seed: int | None = None
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Draws generated data.

        Args:
            n: Non-negative int, the number of rows.
            labels: For a conditional model, int array of shape `(n,)`, or one int
                for all; for other conditions array of shape `(n, d)`, or of
                `(d,)` for all. Defaults to `None`: drawn from the public prior.
            seed: Non-negative int below 2**63, to repeat a draw, which an export of
                the model repeats, too. Defaults to `None`: taken from Python's
                `random`, so that `keras.utils.set_random_seed` fixes it.

        Returns:
            A NumPy array of shape `(n, ...)`; for a conditional model the pair of
            it and the int32 labels of shape `(n,)`, or the conditions.

        Raises:
            ValueError: If `labels` do not fit.
        """
        return self.generation.sample(n, labels, seed)

    @property
    def training_step(self) -> TrainingStep:
        """The `TrainingStep` of the last `compile`.

        For callers that run its two halves separately (federated training).
        """
        self._assert_compile_called("training_step")
        if self.critics:
            raise ValueError(
                "`training_step` is there for a `DPGAN` that was compiled with a "
                "`d_optimizer`. Received: one that was compiled with a `critic`, whose "
                "steps read no record."
            )
        self._validated.check()
        return self.alternation.step
