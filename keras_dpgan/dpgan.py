"""A generative adversarial network that is trained with differential privacy."""

import math
import random
import types

import keras
import tensorflow as tf

from keras_dpgan import _keras_internals
from keras_dpgan import _validate
from keras_dpgan import arbiter
from keras_dpgan import checkpoint
from keras_dpgan import compile_arguments
from keras_dpgan import conditions
from keras_dpgan import export
from keras_dpgan import fit_arguments
from keras_dpgan import lipschitz
from keras_dpgan import losses
from keras_dpgan import network_inputs
from keras_dpgan import networks
from keras_dpgan import origins
from keras_dpgan import privacy
from keras_dpgan import randomness
from keras_dpgan import read_only
from keras_dpgan import score_gradients
from keras_dpgan import statement_notes
from keras_dpgan import training_data
from keras_dpgan import validated
from keras_dpgan import workers
from keras_dpgan._version import __version__
from keras_dpgan.chief import FollowChief
from keras_dpgan.clipping import precision
from keras_dpgan.data.padding import PaddedDataset
from keras_dpgan.data.remote import RemoteRecords
from keras_dpgan.data.repeats import may_repeat_in_a_batch
from keras_dpgan.discriminator_schedule import AdaptiveDiscriminatorSteps
from keras_dpgan.generation import PublicGeneration
from keras_dpgan.keras_methods import KerasMethods
from keras_dpgan.keras_methods import check_checkpoints
from keras_dpgan.keras_methods import check_export_arguments
from keras_dpgan.keras_methods import unknown_sampling
from keras_dpgan.mechanisms import noise
from keras_dpgan.models.output_range import output_range
from keras_dpgan.optimizers.optimizer_pair import OptimizerPair
from keras_dpgan.privacy import row_probe
from keras_dpgan.privacy_record import PrivacyRecord
from keras_dpgan.randomness import PublicDraws
from keras_dpgan.reservations import Reservations
from keras_dpgan.training_limits import TrainingLimits
from keras_dpgan.training_step import TrainingStep

_EVALUATION_ROWS = 256


@keras.saving.register_keras_serializable(package="keras_dpgan")
class DPGAN(read_only.ReadOnly, KerasMethods):
    """A GAN whose generator may be published.

    The discriminator learns from private records through clipped and noised
    gradients; the generator learns from the discriminator alone. It is used as
    any Keras model:

    ```python
    import keras
    import keras_dpgan as dpgan

    gan = dpgan.DPGAN(discriminator, generator)
    gan.compile(
        d_optimizer=dpgan.optimizers.DPKerasAdamOptimizer(
            l2_norm_clip=1.0, noise_multiplier=0.6, learning_rate=5e-4, beta_1=0.5),
        g_optimizer=keras.optimizers.Adam(5e-4, beta_1=0.5),
        loss="non_saturating", discriminator_steps=10)
    gan.fit(x_train, y_train, batch_size=256, epochs=20)
    print(gan.privacy_statement())
    ```

    The unit of privacy is one row of the data. Source of the training step: Abadi
    et al. 2016 for the discriminator; Bie et al. 2023, "Private GANs, Revisited",
    for the several discriminator updates per generator step.

    Args:
        discriminator: A `keras.Model` that gives one score per row, called on
            rows or, if conditional, on `[rows, labels]`. No layer of it may mix
            rows or keep statistics of them. It may have class logits of shape
            `(n, num_classes)` as a second output, and takes rows alone then, or
            `[rows, labels]`: the class loss of a record and of its fake is part of
            the record's loss (AC-GAN).
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
        discriminator,
        generator,
        latent_dim=None,
        num_classes=None,
        condition_shape=None,
        **kwargs,
    ):
        network_inputs.check_network("discriminator", discriminator)
        network_inputs.check_network("generator", generator)
        super().__init__(**kwargs)
        self.discriminator = discriminator
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
        self.ledger = None
        self.initial_epoch = 0
        self.privacy_record = PrivacyRecord(name="privacy_record")
        self.privacy_record.watch([discriminator, generator])
        self._limits = TrainingLimits()
        self._reservations = None
        self._is_counting = False
        self._training_data = None
        self._entry = None
        self._delta = None
        self._compile_arguments = None
        self.g_loss_metric = keras.metrics.Mean(name="g_loss")
        self.d_loss_fake_metric = keras.metrics.Mean(name="d_loss_fake")
        # Of public draws. Keras' own seeds come from there, too:
        # `keras.utils.set_random_seed` fixes them.
        self._public_seed = random.randrange(2**31)
        self.built = True

    def call(self, inputs, training=None):
        """Generates rows from latents, or from `[latents, labels]`."""
        return self.generator(inputs, training=training)

    @validated.compiles
    def compile(
        self,
        d_optimizer,
        g_optimizer,
        loss="non_saturating",
        gradient_penalty=None,
        weight_clip=None,
        discriminator_steps=1,
        engine="auto",
        private=True,
        physical_batch_size=None,
        label_prior=None,
        condition_prior=None,
        jit_compile=False,
        **kwargs,
    ):
        """Configures training.

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
            jit_compile: Whether to compile with XLA, which runs the slower engine
                alone. Defaults to `False`; `"auto"` is the same.
            **kwargs: `run_eagerly`, `steps_per_execution` and
                `auto_scale_loss` of `keras.Model.compile`.

        Raises:
            TypeError: For an argument that there is not.
            ValueError: If optimizer and `private` do not fit, if both a penalty
                and a weight clip are given, or if the discriminator has a layer
                that would break the guarantee.
        """
        workers.check_strategy(self.distribute_strategy)
        kwargs = compile_arguments.check_keras_arguments(kwargs)
        jit_compile = compile_arguments.resolve_jit_compile(jit_compile)
        d_optimizer, g_optimizer = compile_arguments.resolve_optimizers(
            d_optimizer, g_optimizer, private
        )
        compile_arguments.check_unused(
            "d_optimizer", d_optimizer, self.discriminator.trainable_variables
        )
        compile_arguments.check_unused(
            "g_optimizer", g_optimizer, self.generator.trainable_variables
        )
        _check_noise_source(d_optimizer, jit_compile)
        _check_compilation(jit_compile, self.distribute_strategy)
        _check_slope_bounds(gradient_penalty, weight_clip)
        is_adaptive = isinstance(discriminator_steps, AdaptiveDiscriminatorSteps)
        if is_adaptive:
            _check_boundary(losses.get(loss))
        else:
            _validate.check_int("discriminator_steps", discriminator_steps, minimum=1)
        if physical_batch_size is not None:
            _validate.check_int("physical_batch_size", physical_batch_size, minimum=1)
        validated.check_trainable(self.discriminator, self.generator)
        condition = conditions.with_prior(
            self.generation.condition, label_prior, condition_prior
        )
        generation = PublicGeneration(
            self.generator, self.generation.latent_shape, condition
        )
        score_gradients.check(self.discriminator, generation)
        if private:
            rows = row_probe.random_rows(self.row_shape)
            inputs = generation.probe_inputs(self.discriminator, rows)
            privacy.validation.check(self.discriminator, inputs)
        # Keras would track a plain dict, and save its optimizers a second time.
        self._compile_arguments = types.MappingProxyType(
            {
                "d_optimizer": d_optimizer,
                "g_optimizer": g_optimizer,
                "loss": loss,
                "gradient_penalty": gradient_penalty,
                "weight_clip": weight_clip,
                "discriminator_steps": discriminator_steps,
                "engine": engine,
                "private": private,
                "physical_batch_size": physical_batch_size,
                "label_prior": label_prior,
                "condition_prior": condition_prior,
                "jit_compile": jit_compile,
                **kwargs,
            }
        )
        super().compile(optimizer=None, loss=None, jit_compile=jit_compile, **kwargs)
        self.loss = loss
        self.private = private
        self.discriminator_steps = discriminator_steps
        self._schedule = discriminator_steps if is_adaptive else None
        self.d_optimizer = d_optimizer
        self.g_optimizer = _scaled_if_half_precision(g_optimizer, self.generator)
        # Built here: a weight file loaded into an optimizer that is not built
        # leaves its counters at zero.
        self.d_optimizer.build(self.discriminator.trainable_variables)
        self.g_optimizer.build(self.generator.trainable_variables)
        self.optimizer = OptimizerPair(self.d_optimizer, self.g_optimizer)
        self.generation = generation
        self._step = TrainingStep(
            self.discriminator,
            self.generation,
            self.d_optimizer,
            self.g_optimizer,
            losses.resolve(losses.get(loss), self.discriminator),
            lipschitz.as_penalty(gradient_penalty),
            lipschitz.as_weight_clipping(weight_clip),
        )
        if private:
            precision.require_full_precision()
            self._step.engine = arbiter.choose_engine(
                self._step, self.row_shape, engine, physical_batch_size, jit_compile
            )
        self._validated = validated.Validated(self, self._step)
        self._count_label_prior(label_prior)
        self.reset_metrics()

    def get_compile_config(self):
        if self._compile_arguments is None:
            return None  # As Keras has it: the model is saved uncompiled.
        return keras.saving.serialize_keras_object(dict(self._compile_arguments))

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
        *,
        expected_batch_size=None,
        max_participations=None,
        ledger=None,
    ):
        """Trains, one discriminator update per step.

        Arrays become a `PoissonDataset`, from which each update draws a fresh
        batch: an epoch is `n / batch_size` updates. The arguments are those of
        `keras.Model.fit`, in the same order, and three of our own.

        Args:
            x: Rows of shape `(n, ...)` in the generator's range; or a
                `PoissonDataset`; or other data that Keras takes, without the
                amplification by sampling that Poisson batches have. Of such data the
                first batch is checked before any update. A later record whose label
                or category is out of range counts as absent, and so, with privacy,
                does one that is not finite; one outside of the generator's range is
                taken as it is, and clipped.
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
        fit_arguments.check(
            validation_split,
            shuffle,
            class_weight,
            sample_weight,
            validation_batch_size,
        )
        _check_callbacks(callbacks or [])
        data = training_data.from_fit_arguments(
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
            data = self._use(data, ledger)
            self.initial_epoch = initial_epoch
            history = super().fit(
                data.batches,
                epochs=epochs,
                verbose=verbose,
                callbacks=self._callbacks(callbacks),
                validation_data=validation_data,
                initial_epoch=initial_epoch,
                steps_per_epoch=data.steps_per_epoch,
                validation_steps=validation_steps,
                validation_batch_size=validation_batch_size,
                validation_freq=validation_freq,
                shuffle=False,
            )
        if data.hidden is not None:
            data.pass_over(epochs - initial_epoch)
        if ledger is not None:
            self._reservations.release()
        self.optimizer.finalize(
            self.discriminator.trainable_variables, self.generator.trainable_variables
        )
        self.privacy_record.note()
        return history

    def _callbacks(self, callbacks):
        callbacks = [_OpenPrivacyEntry(), *(callbacks or [])]
        if workers.are_several(self.distribute_strategy):
            callbacks.append(FollowChief())
        return callbacks

    def _use(self, data, ledger):
        """Makes the public facts about `data` those of the updates to come.

        Returns:
            The data in the form that the devices need.
        """
        self._validated.check()
        if ledger is not None:
            self._check_ledger(ledger)
        if self._training_data is not None and (
            data.expected_batch_size != self._training_data.expected_batch_size
        ):
            self.train_function = None  # Traced for other shapes.
        self._entry = self._history_entry(data)
        multiple = self._row_multiple(data) if self.jit_compile else 1
        self._training_data = training_data.for_devices(
            data, self.distribute_strategy, multiple
        )
        if workers.are_several(self.distribute_strategy):
            self._check_workers(self._training_data)
        self.ledger = ledger
        self._limits.begin()
        # Keras keeps it from a `fit` that was resumed.
        _keras_internals.set_initial_epoch(self, None)
        self._reservations = None
        if ledger is not None:
            self._reservations = Reservations(ledger, self.privacy_record, self._limits)
        return self._training_data

    def _check_workers(self, data):
        """Checks that several workers are about to do the same."""
        if tf.distribute.has_strategy():
            raise ValueError(
                "Call `fit` outside of the scope of a strategy of several workers, in "
                "which the chief would wait for the others whenever it saves "
                "something. Build and compile the model in the scope."
            )
        strategy = self.distribute_strategy
        facts = {
            "keras_dpgan": __version__,
            **checkpoint.facts_of(self),
            "privacy facts": self._entry.to_dict(),
            "num_examples": data.num_examples,
            "expected_batch_size": data.expected_batch_size,
            "steps_per_epoch": data.steps_per_epoch,
            "steps_per_execution": self.steps_per_execution,
            "replicas in a worker": workers.num_local_replicas(strategy),
        }
        workers.check_equal(strategy, facts)

    def _check_ledger(self, ledger):
        if not workers.is_chief(self.distribute_strategy):
            raise ValueError(
                "`ledger` must be None in a worker that is not the chief: one "
                "process counts the updates, which all make together. Write "
                "`ledger=Ledger(...) if keras_dpgan.workers.is_chief(strategy) else "
                f"None`. Received: ledger={type(ledger).__name__}"
            )
        if not self.private or not isinstance(ledger, privacy.Ledger):
            raise ValueError(
                "`ledger` must be a `keras_dpgan.privacy.Ledger`, and goes with "
                f"private training alone. Received: ledger of type "
                f"{type(ledger).__name__}, private={self.private}"
            )

    def open_privacy_entry(self):
        """Counts updates under the facts of the running `fit`.

        Called before updates are made; does something for the first, and when
        weights have been loaded: what came with them may have been made under
        other facts, or under less of the ledger.
        """
        if self.privacy_record.entry is self._entry:
            return
        if self.ledger is None and self._lacks_ledger():
            raise ValueError(
                "This model's updates are kept in a ledger, and `fit` was given "
                "none, so that further ones would be missing there. Give `fit` the "
                "`ledger`. For other data start anew, with networks that were not "
                "trained."
            )
        self.privacy_record.open(self._entry)
        self.privacy_record.num_examples = self._training_data.num_examples
        if self._reservations is not None:
            self._reservations.agree()
        self._update_epsilon_curve()

    def _lacks_ledger(self):
        is_chief = workers.is_chief(self.distribute_strategy)
        return is_chief and self.privacy_record.ledger_head is not None

    @property
    def needs_reservation(self):
        """Whether the next step has to wait for its entry in the ledger."""
        if self._reservations is None:
            return False
        return self._reservations.are_used_up(self.steps_per_execution)

    def resume_at(self, epoch, step):
        """Makes the `fit` that is about to begin start in the middle.

        Args:
            epoch: Int, the first epoch.
            step: Int, the steps of that epoch that are passed over.
        """
        _keras_internals.set_initial_epoch(self, epoch)
        self._limits.skip(step)
        self._training_data.pass_over(epoch)

    @property
    def place(self):
        """Where the `fit` that is about to begin starts: what `resume_at` takes."""
        epoch = _keras_internals.resumed_epoch(self) or 0
        return epoch, self._limits.num_steps_to_skip

    def make_train_function(self, force=False):
        """Lets no step run before its updates are counted."""
        if self.train_function is not None and not force:
            return
        super().make_train_function(force)
        run_steps = self.train_function

        def count_and_run_steps(iterator):
            self.open_privacy_entry()
            if self._reservations is not None:
                self._reservations.reserve(self.steps_per_execution)
            noise.renew_after_fork()
            self._is_counting = True
            try:
                return run_steps(iterator)
            finally:
                self._is_counting = False

        self.train_function = count_and_run_steps

    def _history_entry(self, data):
        if not self.private:
            # On record, too: a later `compile` must not forget it.
            return privacy.HistoryEntry(mechanism="gaussian", noise_multiplier=0.0)
        if isinstance(data.batches, RemoteRecords) and data.batches.entry is not None:
            return data.batches.entry
        return privacy.HistoryEntry(
            mechanism=self.d_optimizer.mechanism.name,
            noise_multiplier=self.d_optimizer.noise_multiplier,
            clipped_count_stddev=self.d_optimizer.mechanism.clipped_count_stddev,
            sampling_probability=data.sampling_probability,
            max_participations=data.max_participations,
            seeded_sampling=data.seeded,
            insecure_noise=self.d_optimizer.has_insecure_noise,
        )

    def _row_multiple(self, data):
        """What the number of rows of a batch has to be divisible by."""
        expected = data.expected_batch_size
        # Four standard deviations of a Poisson draw: longer ones are rare, and
        # cost a compilation, no record.
        return math.ceil(expected + 4.0 * math.sqrt(expected))

    def train_step(self, data):
        """One discriminator update and, when due, one generator step, within `fit`.

        Both are gated in cross-replica context: a replica cannot merge inside
        a `tf.cond` of its own.

        Raises:
            ValueError: If it is called by hand: nobody has said how such a batch was
                drawn, and no ledger has entered it.
        """
        if not self._is_counting:
            raise unknown_sampling("train_step")
        # Where it is traced, and in eager mode each time: what runs is what was
        # validated.
        self._validated.check()
        rows, labels, mask = self._unpack(data)
        tf.distribute.get_replica_context().merge_call(
            self._train_step_of_all_replicas, args=(rows, labels, mask)
        )
        return self._logs()

    def _train_step_of_all_replicas(self, strategy, *batch):
        run = strategy.extended.call_for_each_replica

        def update():
            run(self._update_discriminator, args=batch)
            tf.cond(self._generator_is_due(), generate, _nothing)
            return _nothing()

        def generate():
            run(self._update_generator)
            return _nothing()

        tf.cond(self._limits.take_step(self._count()), update, _nothing)

    def _generator_is_due(self):
        if self._schedule is not None:
            return self._schedule.is_due(self._count())
        return tf.equal(self._count() % self.discriminator_steps, 0)

    def _update_discriminator(self, rows, labels, mask):
        expected = self._training_data.expected_batch_size
        draws = self._draws(randomness.DISCRIMINATOR)
        batches = self._training_data.batches
        if isinstance(batches, RemoteRecords):
            batches.update_discriminator(self._step, self._count(), draws)
        else:
            self._step.update_discriminator(rows, labels, mask, expected, draws)
        self.privacy_record.num_discriminator_updates.assign_add(1)

    def _update_generator(self):
        expected = self._training_data.expected_batch_size
        draws = self._draws(randomness.GENERATOR)
        g_loss, d_loss_fake, scores = self._step.update_generator(expected, draws)
        if self._schedule is not None:
            is_told = scores < self._step.loss.boundary
            self._schedule.observe(is_told, self._count())
        self.g_loss_metric.update_state(g_loss)
        self.d_loss_fake_metric.update_state(d_loss_fake)

    def _draws(self, purpose):
        return PublicDraws(self._public_seed, self._count(), purpose)

    def _count(self):
        return tf.convert_to_tensor(self.privacy_record.num_discriminator_updates.value)

    def _unpack(self, data):
        """Rows, labels and mask of a batch; the latter two may be `None`."""
        rows, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        padded = isinstance(self._training_data.batches, PaddedDataset)
        if weights is not None and not padded:
            raise ValueError(fit_arguments.SAMPLE_WEIGHT)
        mask = None if weights is None else weights > 0
        is_looked_at = self._training_data.sampling_probability is not None
        if not is_looked_at:
            # Of a data set only the first batch was. Its own shape may say nothing.
            rows = tf.ensure_shape(rows, (None, *self.row_shape))
        condition = self.generation.condition
        if condition is None:
            return rows, None, mask
        if labels is None:
            raise ValueError(
                "A conditional model needs labels: give `fit` `x` and `y`, or "
                "batches of `(x, y)`."
            )
        if not is_looked_at:
            # A record whose label is out of range counts as absent, whatever class
            # its fake is taken from.
            in_range = condition.is_in_range(labels)
            mask = in_range if mask is None else mask & in_range
        return rows, condition.of_batch(labels), mask

    def _logs(self):
        logs = {m.name: m.result() for m in self.metrics}
        if self.private:
            logs["epsilon"] = self._limits.epsilon(self._count())
        return self._reducible(logs)

    def _reducible(self, logs):
        """Logs as Keras takes means of them: over workers along an axis."""
        if not workers.are_several(self.distribute_strategy):
            return logs
        return {name: tf.reshape(value, (1,)) for name, value in logs.items()}

    def test_step(self, data):
        """Public numbers only: `data` is not looked at."""
        del data
        number = tf.random.uniform((), maxval=tf.int64.max, dtype=tf.int64)
        draws = PublicDraws(self._public_seed, number, randomness.EVALUATION)
        labels = self.generation.labels(_EVALUATION_ROWS, draws)
        g_loss, d_loss_fake, _ = self._step.public_losses(
            _EVALUATION_ROWS, labels, False, draws
        )
        self.g_loss_metric.update_state(g_loss)
        self.d_loss_fake_metric.update_state(d_loss_fake)
        return self._reducible({m.name: m.result() for m in self.metrics})

    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        steps=None,
        callbacks=None,
        return_dict=False,
        **kwargs,
    ):
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
                _validate.check_int(name, value, minimum=1)
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

    @property
    def metrics(self):
        return [self.g_loss_metric, self.d_loss_fake_metric]

    def sample(self, n, labels=None, seed=None):
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

    def privacy_card(
        self,
        dataset_name=None,
        include_num_examples=False,
        preprocessing=None,
        justification=None,
    ):
        """What publishing the generator can reveal, for machines to read.

        Args:
            dataset_name: String, the name of the training data, if it may be
                published. Defaults to `None`.
            include_num_examples: Whether the number of rows may be published.
                Defaults to `False`.
            preprocessing: String, what was done to the data before training, as it
                may be published. Defaults to `None`: not said.
            justification: String, why epsilon, delta and the unit were chosen.
                Defaults to `None`: not said.

        Returns:
            A dict of JSON values, in the form of
            `keras_dpgan.export.card_schema()`.
        """
        return export.make_card(
            self,
            output_range(self.generator),
            dataset_name,
            include_num_examples,
            preprocessing,
            justification,
        )

    def export(
        self,
        filepath,
        format="tf_saved_model",
        verbose=None,
        input_signature=None,
        *,
        overwrite=False,
        dataset_name=None,
        include_num_examples=False,
        preprocessing=None,
        justification=None,
    ):
        """Writes the generator, alone, as a SavedModel with its privacy card.

        `hub.load`, `hub.KerasLayer`, `tf.saved_model.load` and
        `keras.layers.TFSMLayer` load it, TensorFlow Serving serves it, and
        `keras_dpgan.export.load` draws from it. For other formats see
        `gan.generator.export`.

        Args:
            filepath: The folder to make: a SavedModel, `privacy.json` and a
                `README.md`.
            format: Only Keras' default, `"tf_saved_model"`.
            verbose: Whether a line says where the export is. Defaults to `None`:
                none does.
            input_signature: Only `None`: latents, and labels if there are any.
            overwrite: Whether an export that is there is replaced, once the new
                one is complete. Defaults to `False`.
            dataset_name: As in `privacy_card`.
            include_num_examples: As in `privacy_card`.
            preprocessing: As in `privacy_card`.
            justification: As in `privacy_card`.

        Raises:
            FileExistsError: If `filepath` exists and `overwrite` is `False`, or
                if it is no export.
            ValueError: For another format or signature.
        """
        check_export_arguments(format, input_signature)
        card = self.privacy_card(
            dataset_name, include_num_examples, preprocessing, justification
        )
        export.export_generator(self.generation, card, filepath, overwrite)
        if verbose:
            print(f"Saved the generator and its privacy card at '{filepath}'.")

    @property
    def training_step(self):
        """The `TrainingStep` of the last `compile`, for who trains in parts."""
        self._assert_compile_called("training_step")
        self._validated.check()
        return self._step

    @property
    def num_discriminator_updates(self):
        """Updates made with the present optimizer and data, an int."""
        return int(self.privacy_record.num_discriminator_updates.numpy())

    @property
    def max_discriminator_updates(self):
        """The count at which updates stop inside the graph; `None`: no limit."""
        return self._limits.max_updates

    @max_discriminator_updates.setter
    def max_discriminator_updates(self, value):
        if value is not None:
            _validate.check_int("max_discriminator_updates", value, minimum=0)
        self._limits.set_max_updates(value)

    @property
    def privacy_history(self):
        """The `privacy.PrivacyHistory` of all updates that made these weights."""
        return self.privacy_record.history()

    def count_release(self, entry):
        """Counts a release of the private data that the networks were made from.

        What this process has released counts by itself where a model is made from it:
        a mixture, a label prior. This is for a release of your own, or one that
        another process has made. Counted a second time is only what nobody can tell
        to be the same. Not for one that a `privacy.Ledger` has entered, if `fit` is
        given that ledger.

        Args:
            entry: The `privacy.HistoryEntry` that came with the release.

        Raises:
            ValueError: If `entry` is something else.
        """
        if not isinstance(entry, privacy.HistoryEntry):
            raise ValueError(
                "`entry` must be the `privacy.HistoryEntry` of a release. Received: "
                f"entry={entry!r}"
            )
        origin = origins.release_of(entry)
        if origin is None:
            self.privacy_record.add_release(entry)
        else:
            self.privacy_record.absorb(origin)

    def _count_label_prior(self, label_prior):
        """Counts a label prior that was released from private labels."""
        if label_prior is not None:
            for origin in origins.find([origins.prior_digest(label_prior)]):
                self.privacy_record.absorb(origin)

    @property
    def num_examples(self):
        """The number of rows given to `fit`, public; `None` if not known."""
        if self._training_data is not None:
            return self._training_data.num_examples
        return self.privacy_record.num_examples

    @property
    def delta(self):
        """The delta at which `epsilon` is logged.

        Set by hand or by `callbacks.EpsilonTracker`; otherwise the largest power
        of ten below 1/n, and 1e-5 where n is not known.
        """
        if self._delta is not None:
            return self._delta
        return default_delta(self.num_examples)

    @delta.setter
    def delta(self, value):
        _validate.check_delta(value)
        self._delta = value
        if self.privacy_record.entry is not None:
            self._update_epsilon_curve()

    def _update_epsilon_curve(self):
        record = self.privacy_record
        self._limits.set_curve(
            privacy.EpsilonCurve(record.closed_history, record.entry, self.delta)
        )

    def epsilon(self, delta=None, accountant="pld"):
        """Epsilon of all updates so far.

        Args:
            delta: Float in (0, 1). Defaults to `self.delta`.
            accountant: `"pld"` or `"rdp"`. Defaults to `"pld"`.

        Returns:
            Float.
        """
        delta = self.delta if delta is None else delta
        return privacy.epsilon(self.privacy_history, delta, accountant)

    def set_weights(self, weights):
        """Sets weights; the count of updates never goes down by it.

        Updates that were made stay made, also where `EarlyStopping` restores the
        weights of an earlier epoch.
        """
        made = self.num_discriminator_updates
        super().set_weights(weights)
        self._count_at_least(made)

    def set_state_tree(self, state_tree):
        """Sets weights and optimizers; the count of updates never goes down by it."""
        made = self.num_discriminator_updates
        super().set_state_tree(state_tree)
        self._count_at_least(made)

    def _count_at_least(self, made):
        counter = self.privacy_record.num_discriminator_updates
        counter.assign(max(made, int(counter.numpy())))

    def privacy_statement(self, delta=None, accountant="pld", max_records_per_person=1):
        """States what the updates so far guarantee, in words and as JSON.

        Args:
            delta: Float in (0, 1). Defaults to `self.delta`.
            accountant: `"pld"` or `"rdp"`. Defaults to `"pld"`.
            max_records_per_person: Int: states the guarantee also for a person
                with up to so many rows. Defaults to 1.

        Returns:
            A `privacy.PrivacyStatement`: `str()` gives words, `to_dict()` JSON.
        """
        clip = None
        if self.private and self.compiled:
            clip = float(self.d_optimizer.l2_norm_clip)
        return privacy.privacy_statement(
            self.privacy_history,
            self.delta if delta is None else delta,
            num_examples=self.num_examples,
            l2_norm_clip=clip,
            accountant=accountant,
            max_records_per_person=max_records_per_person,
            private=self.private,
            notes=(
                *self._data_notes(),
                *statement_notes.write(
                    self.privacy_record, self.ledger, self._limits.num_unused
                ),
            ),
        )

    def _data_notes(self):
        """What the data themselves have to say first."""
        batches = self._training_data and self._training_data.batches
        if may_repeat_in_a_batch(batches):
            return (
                "A ROW MAY BE TWICE IN A BATCH: the data set repeats or mixes rows "
                "before it batches them, and epsilon counts each row once in a batch. "
                "Call `batch` before `repeat`.",
            )
        return batches.statement_notes if isinstance(batches, RemoteRecords) else ()

    def get_config(self):
        return {
            **super().get_config(),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
            "generator": keras.saving.serialize_keras_object(self.generator),
            "latent_dim": self.latent_dim,
            "num_classes": self.num_classes,
            "condition_shape": self.condition_shape,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        for network in ("discriminator", "generator"):
            config[network] = keras.saving.deserialize_keras_object(
                config[network], custom_objects=custom_objects
            )
        return cls(**config)


class _OpenPrivacyEntry(keras.callbacks.Callback):
    """Opens the history's entry once all callbacks have begun.

    `BackupAndRestore` loads a history while `fit` begins; what it loads may have
    been made under other facts.
    """

    def on_epoch_begin(self, epoch, logs=None):
        self.model.open_privacy_entry()

    def on_epoch_end(self, epoch, logs=None):
        self.model.privacy_record.note()


def default_delta(num_examples):
    """The largest power of ten below 1/n; 1e-5 where n is not known."""
    if not num_examples:
        return 1e-5
    return 10.0 ** -(math.floor(math.log10(num_examples)) + 1)


def _check_boundary(loss):
    if loss.boundary is None:
        raise ValueError(
            "`discriminator_steps` can be adaptive where a score says whether a row is "
            'generated: with loss "non_saturating", "minimax" or "hinge". Received: '
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


def _check_callbacks(callbacks):
    check_checkpoints(callbacks)
    if any(isinstance(c, keras.callbacks.TerminateOnNaN) for c in callbacks):
        raise ValueError(
            "`TerminateOnNaN` watches a log named `loss`, which a GAN has not: it "
            "would never stop. Watch `g_loss`, as in `keras.callbacks.LambdaCallback("
            "on_train_batch_end=lambda batch, logs: setattr(gan, 'stop_training', "
            "not math.isfinite(logs['g_loss'])))`."
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


def _nothing():
    return tf.constant(0)
