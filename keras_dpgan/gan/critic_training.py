"""Generator steps against critics that were released once: no record is read."""

import math
import typing

import keras
import tensorflow as tf

from keras_dpgan._utils import validate
from keras_dpgan.critics.released_critic import ReleasedCritic
from keras_dpgan.distribution import workers
from keras_dpgan.gan import compile_config
from keras_dpgan.gan import validated
from keras_dpgan.gan.keras_methods import OptimizerPair
from keras_dpgan.gan.networks import PublicGeneration
from keras_dpgan.sampling import conditions
from keras_dpgan.sampling import randomness
from keras_dpgan.sampling.randomness import PublicDraws

DEFAULT_BATCH_SIZE = 256
DEFAULT_STEPS = 100

# How much of the generated rows' sums is kept from step to step. More would steady the
# critic, and let it lag behind the generator, so that both swing about each other: on
# small images 0.9 ended at six times the distance of 0.5.
_KEPT = 0.5
# A group of fewer generated rows than this is not compared yet.
_FEWEST_ROWS = 1.0


def check_arguments(gan, critic, **arguments):
    """The critics of a `compile`, all arguments of which fit each other.

    Args:
        gan: The `DPGAN`.
        critic: A `ReleasedCritic`, or a list of them.
        **arguments: Pairs of what was given and what stands for nothing, by name.

    Returns:
        Tuple of `ReleasedCritic`.

    Raises:
        ValueError: Names what does not fit.
    """
    critics = tuple(critic) if isinstance(critic, list | tuple) else (critic,)
    for each in critics or (critic,):
        if not isinstance(each, ReleasedCritic):
            raise ValueError(
                "`critic` must be a `critics.ReleasedCritic`, which "
                "`critics.release_critic` makes, or a list of them. Received: "
                f"critic={critic!r:.80}"
            )
        _check_fits(gan, each)
    for name, (given, default) in arguments.items():
        if given is not default and given != default:
            raise ValueError(
                f"`{name}` must be left out with a `critic`: records were summed up "
                "once, and there is no discriminator to train. Leave out `critic` to "
                f"train one. Received: {name}={given!r:.80}"
            )
    return critics


def _check_fits(gan, critic):
    if (critic.row_shape, critic.num_classes) != (gan.row_shape, gan.num_classes):
        raise ValueError(
            "`critic` must be of rows like those of the generator. Received: a critic "
            f"of rows of shape {critic.row_shape} with num_classes="
            f"{critic.num_classes}, and a generator of rows of shape {gan.row_shape} "
            f"with num_classes={gan.num_classes}"
        )


class CriticTraining:
    """What each step of `fit` does, inside the graph, in the place of `Alternation`.

    Args:
        gan: A `DPGAN` that is being compiled.
        step: A `CriticStep`.
    """

    def __init__(self, gan, step):
        self.step = step
        self._gan = gan
        self.batch_size = DEFAULT_BATCH_SIZE

    def begin(self, batch_size, steps_per_epoch):
        """Sets how many rows the steps of a `fit` generate.

        Args:
            batch_size: Int, or `None` for 256.
            steps_per_epoch: Int, or `None`.

        Returns:
            A `tf.data.Dataset` of numbers, which stand for batches of records.
        """
        if batch_size is None:
            batch_size = DEFAULT_BATCH_SIZE
        batch_size = validate.check_int("batch_size", batch_size, minimum=1)
        if steps_per_epoch is not None:
            validate.check_int("steps_per_epoch", steps_per_epoch, minimum=1)
        if batch_size != self.batch_size:
            self.batch_size = batch_size
            self._gan.train_function = None  # It has the other size in its graph.
        # One for each replica, so that they can be shared out.
        replicas = self._gan.distribute_strategy.num_replicas_in_sync
        return tf.data.Dataset.counter().batch(replicas, drop_remainder=True)

    def run(self, data):
        """Makes one generator step. `data` is nothing but the number of the step."""
        del data
        number = tf.cast(self._gan.g_optimizer.iterations, tf.int64)
        draws = PublicDraws(self._gan.public_seed, number, randomness.GENERATOR)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        distance = self.step.update(math.ceil(self.batch_size / replicas), draws)
        self._gan.g_loss_metric.update_state(distance)


class CriticStep:
    """How a generator learns from released critics.

    A critic is a function of a row's features, linear in them and in the products of
    its directions, whose weights are how far the generated rows' means are from the
    released ones: what the generator can do most about. The generator lowers it, and
    the weights follow. Means of generated rows are taken over some steps, and a row
    meets those of the steps before it, of which it is no part. What was released with
    much noise counts less.

    Args:
        critics: Tuple of `ReleasedCritic`.
        generation: A `PublicGeneration`.
        g_optimizer: A Keras optimizer.
    """

    def __init__(self, critics, generation, g_optimizer):
        self.critics = critics
        self.generation = generation
        self.g_optimizer = g_optimizer
        self._running = [_RunningMeans(critic) for critic in critics]

    def update(self, n, draws):
        """Makes one step on `n` rows of this replica.

        Args:
            n: Int.
            draws: `PublicDraws` of this step.

        Returns:
            The mean squared distance, in units of the features' spread, a scalar
            tensor.
        """
        labels = self.generation.labels(n, draws)
        generator = self.generation.generator
        variables = generator.trainable_variables
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        with tf.GradientTape() as tape:
            rows = self.generation.rows(n, labels, True, draws)
            found = [running.embed(rows, labels) for running in self._running]
            scores = [
                running.scores(*embedded)
                for running, embedded in zip(self._running, found, strict=True)
            ]
            objective = tf.reduce_mean(tf.add_n(scores))
            objective = tf.add_n([objective, *generator.losses]) / replicas
            objective = self.g_optimizer.scale_loss(objective)
        gradients = tape.gradient(objective, variables)
        self.g_optimizer.apply_gradients(zip(gradients, variables, strict=True))
        for running, embedded in zip(self._running, found, strict=True):
            running.add(*embedded)
        return self.distance()

    def distance(self):
        """How far the generated rows' means are from the released ones."""
        return tf.add_n([running.distance() for running in self._running])


class _RunningMeans:
    """A critic, and the means of generated rows that it compares with."""

    def __init__(self, critic):
        self._critic = critic
        groups, labels = critic.num_groups, critic.num_labels
        size, directions = critic.num_features, critic.second_moments
        self._counts = _zeros((groups,))
        self._sums = _zeros((groups, size))
        self._label_counts = _zeros((labels,))
        self._squares = _zeros((labels, directions, directions))

    def embed(self, rows, labels):
        """Groups, labels, features and directions of generated rows."""
        groups, found, main = self._critic([rows, labels])
        if labels is None:
            labels = tf.zeros_like(groups)
        return groups, labels, found, main

    def scores(self, groups, labels, found, main):
        """What the critic makes of each row, of shape `(n,)`: the larger, the worse."""
        weights = tf.gather(self._differences(), groups)
        scores = tf.reduce_sum(weights * found, axis=1) / self._critic.num_features
        if self._critic.second_moments:
            products = tf.gather(self._square_differences(), labels)
            scores += tf.einsum("ni,nij,nj->n", main, products, main) / (
                2.0 * self._critic.second_moments
            )
        return scores

    def _differences(self):
        """Of the means, of shape `(groups, num_features)`."""
        means = self._sums / tf.maximum(self._counts, _FEWEST_ROWS)[:, None]
        is_seen = tf.cast(self._counts >= _FEWEST_ROWS, tf.float32)
        trust = (is_seen * self._critic.means_trust)[:, None]
        return trust * (means - self._critic.means)

    def _square_differences(self):
        """Of the mean products, of shape `(labels, directions, directions)`."""
        counts = self._label_counts[:, None, None]
        means = self._squares / tf.maximum(counts, _FEWEST_ROWS)
        is_seen = tf.cast(counts >= _FEWEST_ROWS, tf.float32)
        trust = is_seen * self._critic.squares_trust[:, None, None]
        return trust * (means - self._critic.squares)

    def distance(self):
        distance = tf.reduce_mean(self._differences() ** 2)
        if self._critic.second_moments:
            distance += tf.reduce_mean(self._square_differences() ** 2)
        return distance

    def add(self, groups, labels, found, main):
        """Adds the rows of all replicas to the running sums."""
        groups = tf.one_hot(groups, self._critic.num_groups)
        labels = tf.one_hot(labels, self._critic.num_labels)
        new = [
            tf.reduce_sum(groups, axis=0),
            tf.matmul(groups, found, transpose_a=True),
            tf.reduce_sum(labels, axis=0),
            tf.einsum("nl,ni,nj->lij", labels, main, main),
        ]
        sums = (self._counts, self._sums, self._label_counts, self._squares)
        new = tf.distribute.get_replica_context().all_reduce("SUM", new)
        for variable, value in zip(sums, new, strict=True):
            variable.assign(_KEPT * variable + value)


def _zeros(shape):
    return tf.Variable(
        tf.zeros(shape),
        trainable=False,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


class CriticMethods:
    """The part of `DPGAN` that trains a generator against released critics."""

    def _compile_with_critics(
        self: typing.Any, critics, g_optimizer, label_prior, jit_compile, of_keras
    ):
        """The part of `compile` that is there for released critics."""
        workers.check_strategy(self.distribute_strategy)
        of_keras = compile_config.check_keras_arguments(of_keras)
        jit_compile = compile_config.resolve_jit_compile(jit_compile)
        g_optimizer = compile_config.resolve_generator_optimizer(
            g_optimizer, self.generator
        )
        condition = conditions.with_prior(self.generation.condition, label_prior, None)
        generation = PublicGeneration(
            self.generator, self.generation.latent_shape, condition
        )
        keras.Model.compile(
            self, optimizer=None, loss=None, jit_compile=jit_compile, **of_keras
        )
        with self.distribute_strategy.scope():
            step = CriticStep(critics, generation, g_optimizer)
            g_optimizer.build(self.generator.trainable_variables)
        # Saved uncompiled: a critic has a file of its own.
        self.compile_config = None
        self.critics = critics
        self.private = True
        self.d_optimizer = None
        self.g_optimizer = g_optimizer
        self.optimizer = OptimizerPair(None, g_optimizer)
        self.generation = generation
        self.alternation = CriticTraining(self, step)
        self._validated = validated.Validated(self, step)
        self.count_label_prior(label_prior)
        for critic in critics:
            for origin in critic.privacy_record.parts():
                self.privacy_record.absorb(origin)
        self.privacy_record.num_examples = critics[0].num_examples
        self.reset_metrics()

    def _fit_to_critics(self: typing.Any, batch_size, steps_per_epoch, **of_keras):
        """The part of `fit` that is there for released critics."""
        self._validated.check()
        history = keras.Model.fit(
            self,
            self.alternation.begin(batch_size, steps_per_epoch),
            steps_per_epoch=steps_per_epoch or DEFAULT_STEPS,
            shuffle=False,
            **of_keras,
        )
        self.optimizer.finalize(None, self.generator.trainable_variables)
        self.privacy_record.note()
        return history
