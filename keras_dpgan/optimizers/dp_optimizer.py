"""The DP optimizer: a mechanism that drives any Keras optimizer."""

import collections.abc
import typing

import keras
import tensorflow as tf

from keras_dpgan import mechanisms
from keras_dpgan._utils import validate
from keras_dpgan.clipping.contract import ClippedSum
from keras_dpgan.mechanisms import noise
from keras_dpgan.mechanisms import secure_noise
from keras_dpgan.mechanisms import tf_privacy

_ANEW = "Make a new optimizer and give it to `compile`."


@keras.saving.register_keras_serializable(package="keras_dpgan")
class DPOptimizer(validate.ReadOnly, keras.optimizers.Optimizer):
    """Updates weights with a clipped and noised sum of per-record gradients.

    It wraps a Keras optimizer, which applies the mechanism's result. Only
    `apply_clipped_sum` can change the weights. `apply` and `apply_gradients` raise an
    error, because they cannot know whether their gradients were privatized.

    The noise has standard deviation `noise_multiplier * l2_norm_clip` on the sum
    and is keyed by the operating system. Source: Abadi et al. 2016, "Deep
    Learning with Differential Privacy", algorithm 1.

    Examples:
        >>> import keras
        >>> optimizer = dpgan.optimizers.DPOptimizer(
        ...     keras.optimizers.Lion(1e-4), l2_norm_clip=1.0, noise_multiplier=0.6
        ... )
        >>> optimizer.noise_multiplier
        0.6

    Args:
        inner_optimizer: A `keras.optimizers.Optimizer`.
        l2_norm_clip: Positive float. The largest L2 norm of one record's
            gradient over all variables together.
        noise_multiplier: Non-negative float. Zero gives no privacy.
        dp_sum_query: Instead of the two numbers, a `GaussianSumQuery` or a
            `QuantileAdaptiveClipSumQuery` of TensorFlow Privacy (or the latter's
            arguments as a dict, which is how it is saved).
        num_microbatches: Must be `None`, because each record is clipped by itself.
        noise_source: `"default"`, or `"secure"` for noise from a cryptographic
            generator that someone who sees every bit of the result cannot remove; see
            `keras_dpgan.mechanisms.secure_noise`. `"secure"` adds at most 1% to the
            noise, and works on one replica without XLA.
        insecure_noise_seed: Int, to repeat the noise, and with it the fakes with which
            records are compared, when you look for a bug. Statement and history then
            say that the noise is insecure. The seed is never saved: a loaded optimizer
            draws fresh noise. Defaults to `None`: no seed can repeat the noise.
        name: Optional string.
    """

    _read_only = dict.fromkeys(
        (
            "inner_optimizer",
            "mechanism",
            "noise_source",
            "noise_multiplier",
            "l2_norm_clip",
            "has_insecure_noise",
            "_insecure_stream",
        ),
        _ANEW,
    )

    def __init__(
        self,
        inner_optimizer: keras.optimizers.Optimizer,
        l2_norm_clip: float | None = None,
        noise_multiplier: float | None = None,
        dp_sum_query: typing.Any = None,
        num_microbatches: int | None = None,
        noise_source: str = "default",
        insecure_noise_seed: int | None = None,
        name: str | None = None,
    ) -> None:
        _check_inner(inner_optimizer)
        _check_microbatches(num_microbatches)
        super().__init__(learning_rate=0.0, name=name)
        self.inner_optimizer = inner_optimizer
        self.mechanism = _mechanism(l2_norm_clip, noise_multiplier, dp_sum_query)
        self.noise_source = noise_source
        _check_noise_source(noise_source, insecure_noise_seed, self.mechanism)
        self._insecure_stream = _insecure_stream(insecure_noise_seed)
        self._mechanism_state: list[keras.Variable] = []

    @property
    def has_insecure_noise(self) -> bool:
        """Whether a seed repeats the noise."""
        return self._insecure_stream is not None

    @property
    def noise_multiplier(self) -> typing.Any:
        """The noise's standard deviation in units of the clip, a float."""
        return self.mechanism.noise_multiplier

    @property
    def l2_norm_clip(self) -> tf.Tensor:
        """The clip of the next update: a float or a scalar tensor."""
        return self.mechanism.l2_norm_clip(self._state_tensors())

    def build(self, variables: collections.abc.Sequence[keras.Variable]) -> None:
        """Creates the inner optimizer's variables and the mechanism's state."""
        if self.built:
            return
        self.inner_optimizer.build(variables)
        self._mechanism_state = [
            self.add_variable(
                shape=(),
                dtype="float32",
                initializer=keras.initializers.Constant(value),
                aggregation="only_first_replica",
                name="mechanism_state",
            )
            for value in self.mechanism.initial_state
        ]
        super().build(variables)

    def apply_clipped_sum(
        self,
        clipped_sum: ClippedSum,
        variables: collections.abc.Sequence[keras.Variable],
        expected_batch_size: float,
    ) -> None:
        """Adds noise to a sum of clipped gradients and applies it.

        Under a distribution strategy it is called in each replica with that replica's
        own sum. The sums of the replicas are added up, and noise is added once.

        Args:
            clipped_sum: The `ClippedSum` of an engine.
            variables: List of `keras.Variable`, in the order of the sums.
            expected_batch_size: Positive number by which the noised sum is divided. It
                must not depend on the records.

        Raises:
            TypeError: If `clipped_sum` is not a `ClippedSum`.
        """
        if not isinstance(clipped_sum, ClippedSum):
            raise TypeError(
                "`clipped_sum` must be the `ClippedSum` of an engine in "
                f"`keras_dpgan.clipping`. Received: {type(clipped_sum).__name__}"
            )
        if not self.built:
            self.build(variables)
        state = self._state_tensors()
        noised, count_noise = self._add_noise(clipped_sum, state)
        total, count_noise = _sum_over_replicas(noised, count_noise)
        self._apply_to_inner(total.sums, variables, expected_batch_size)
        new_state = self.mechanism.next_state(state, total, count_noise)
        for variable, value in zip(self._mechanism_state, new_state, strict=True):
            variable.assign(value)

    def _add_noise(self, clipped_sum, state):
        """The clipped sum with noise, and a normal number for its count.

        Only the first replica adds noise; on the others it is zero.
        """
        if self.noise_source == "secure":
            return self._add_secure_noise(clipped_sum), tf.constant(0.0)
        sums = clipped_sum.sums
        dtype = tf.float64 if any(s.dtype == tf.float64 for s in sums) else tf.float32
        stream = self._insecure_stream or noise.process_stream()
        *normals, count_noise = stream.normal([s.shape for s in sums] + [()], dtype)
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        first = tf.cast(tf.equal(replica, 0), dtype)
        stddev = first * tf.cast(self.mechanism.noise_stddev(state), dtype)
        noised = [
            s + tf.cast(stddev * normal, s.dtype)
            for s, normal in zip(sums, normals, strict=True)
        ]
        return clipped_sum._replace(sums=noised), first * count_noise

    def _add_secure_noise(self, clipped_sum):
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        if replicas > 1:
            raise ValueError(
                '`noise_source` must be "default" on several replicas, because their '
                "sums are added up in floating point after the noise. Received: "
                f'noise_source="secure" with {replicas} replicas'
            )
        clip = self.mechanism.initial_l2_norm_clip
        sums = secure_noise.add_noise(clipped_sum.sums, clip, self.noise_multiplier)
        return clipped_sum._replace(sums=sums)

    def _apply_to_inner(self, sums, variables, expected_batch_size):
        # Keras adds the gradients of all replicas up once more.
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        if replicas > 1:
            _refuse_inner_clipping(self.inner_optimizer)
        divisor = replicas * tf.cast(expected_batch_size, tf.float64)
        gradients = [
            tf.cast(s / tf.cast(divisor, s.dtype), v.dtype)
            for s, v in zip(sums, variables, strict=True)
        ]
        self.inner_optimizer.apply(gradients, variables)

    def _state_tensors(self):
        if not self.built:
            return [tf.constant(value) for value in self.mechanism.initial_state]
        return [tf.convert_to_tensor(v.value) for v in self._mechanism_state]

    def apply(
        self, grads: typing.Any, trainable_variables: typing.Any = None
    ) -> typing.NoReturn:
        """Always raises, because it cannot know whether `grads` were privatized."""
        raise RuntimeError(
            f"{type(self).__name__} changes weights only through "
            "`apply_clipped_sum`, which takes the clipped per-record sum of an "
            "engine. `apply` and `apply_gradients` take gradients that no "
            "mechanism has made, so a stock `Model.fit` cannot use this optimizer: "
            "give it to `keras_dpgan.DPGAN.compile(d_optimizer=...)`."
        )

    def stateless_apply(
        self,
        optimizer_variables: typing.Any,
        grads: typing.Any,
        trainable_variables: typing.Any,
    ) -> typing.NoReturn:
        """Always raises, as `apply` does."""
        self.apply(grads, trainable_variables)

    @property
    def variables(self) -> list[keras.Variable]:
        return self._variables + self.inner_optimizer.variables

    @property
    def learning_rate(self) -> typing.Any:
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: typing.Any) -> None:
        self.inner_optimizer.learning_rate = learning_rate

    @property
    def iterations(self) -> keras.Variable:
        return self.inner_optimizer.iterations

    def finalize_variable_values(
        self, var_list: collections.abc.Sequence[keras.Variable]
    ) -> None:
        self.inner_optimizer.finalize_variable_values(var_list)

    def load_own_variables(self, store: typing.Any) -> None:
        """Refuses a file whose variables are not those of this optimizer.

        Keras would only warn and leave the counters at zero.
        """
        if len(store.keys()) != len(self.variables):
            raise ValueError(
                f"The file holds {len(store.keys())} variables of an optimizer, "
                f"but {type(self).__name__} has {len(self.variables)}. It was "
                "saved with another optimizer: compile with that one."
            )
        super().load_own_variables(store)

    def get_config(self) -> dict[str, typing.Any]:
        return {
            "name": self.name,
            "inner_optimizer": keras.saving.serialize_keras_object(
                self.inner_optimizer
            ),
            **self._mechanism_config(),
        }

    def _mechanism_config(self):
        config = {"noise_source": self.noise_source}
        if isinstance(self.mechanism, tf_privacy.AdaptiveClipMechanism):
            return {"dp_sum_query": self.mechanism.get_config(), **config}
        return {**self.mechanism.get_config(), **config}

    @classmethod
    def from_config(
        cls,
        config: dict[str, typing.Any],
        custom_objects: dict[str, typing.Any] | None = None,
    ) -> typing.Self:
        config = dict(config)
        config["inner_optimizer"] = keras.saving.deserialize_keras_object(
            config["inner_optimizer"], custom_objects=custom_objects
        )
        return cls(**config)


def _mechanism(l2_norm_clip, noise_multiplier, dp_sum_query):
    """The mechanism that an optimizer's arguments describe."""
    if dp_sum_query is None:
        validate.check_positive("l2_norm_clip", l2_norm_clip)
        validate.check_non_negative("noise_multiplier", noise_multiplier)
        return mechanisms.gaussian(float(l2_norm_clip), float(noise_multiplier))
    if l2_norm_clip is not None or noise_multiplier is not None:
        raise ValueError(
            "Give either `l2_norm_clip` and `noise_multiplier` or `dp_sum_query`, "
            f"not both. Received: l2_norm_clip={l2_norm_clip}, "
            f"noise_multiplier={noise_multiplier}, dp_sum_query={dp_sum_query}"
        )
    if isinstance(dp_sum_query, dict):
        return tf_privacy.AdaptiveClipMechanism.from_config(dp_sum_query)
    return tf_privacy.mechanism_of(dp_sum_query)


def _insecure_stream(seed):
    """The stream of a seed; `None` without one."""
    if seed is None:
        return None
    validate.check_int("insecure_noise_seed", seed)
    return noise.NoiseStream(seed)


def _check_noise_source(noise_source, insecure_noise_seed, mechanism):
    validate.check_choice("noise_source", noise_source, ("default", "secure"))
    if noise_source == "default":
        return
    if insecure_noise_seed is not None:
        raise ValueError(
            '`insecure_noise_seed` must be None with `noise_source="secure"`. '
            f"Received: insecure_noise_seed={insecure_noise_seed}"
        )
    if isinstance(mechanism, tf_privacy.AdaptiveClipMechanism):
        raise ValueError(
            '`noise_source="secure"` needs a fixed clip: give `l2_norm_clip` and '
            "`noise_multiplier`. Received: an adaptive `dp_sum_query`"
        )
    secure_noise.check_installed()


def _check_inner(optimizer):
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(
            "`inner_optimizer` must be a `keras.optimizers.Optimizer`. "
            f"Received: inner_optimizer={optimizer!r}"
        )
    if isinstance(optimizer, DPOptimizer | keras.optimizers.LossScaleOptimizer):
        raise ValueError(
            "`inner_optimizer` must be a plain Keras optimizer. "
            f"Received: {type(optimizer).__name__}. Noise is added once, and the "
            "discriminator's loss scale is fixed, since a dynamic one would "
            "depend on records without noise."
        )
    for argument in ("loss_scale_factor", "gradient_accumulation_steps"):
        if getattr(optimizer, argument, None):
            raise ValueError(
                f"`{argument}` of the inner optimizer must be None. Received: "
                f"{argument}={getattr(optimizer, argument)}. For a batch larger "
                "than memory use `physical_batch_size` of `DPGAN.compile`: it "
                "adds noise once per update."
            )


def _refuse_inner_clipping(optimizer):
    for argument in ("clipnorm", "clipvalue", "global_clipnorm"):
        if getattr(optimizer, argument) is not None:
            raise ValueError(
                f"`{argument}` of the inner optimizer must be None under a "
                "distribution strategy, where Keras clips each replica's share of "
                f"the gradient. Received: {argument}={getattr(optimizer, argument)}"
            )


def _check_microbatches(num_microbatches):
    if num_microbatches is not None:
        raise ValueError(
            "`num_microbatches` must be None, because each record is clipped by "
            "itself. Microbatches double the sensitivity, and with batches of random "
            "size they leave it without a bound. For a batch larger than memory use "
            "`physical_batch_size` of `DPGAN.compile`. Received: "
            f"num_microbatches={num_microbatches}"
        )


def _sum_over_replicas(clipped_sum, count_noise):
    """Adds the replicas' noised sums, counts and count noise."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return clipped_sum, count_noise
    # Counts are converted to floats, because TensorFlow keeps int32 on the host and
    # cannot reduce tensors of host and device together.
    counts = [tf.cast(c, tf.float32) for c in clipped_sum[1:]]
    sums, counts, count_noise = context.all_reduce(
        tf.distribute.ReduceOp.SUM, (clipped_sum.sums, counts, count_noise)
    )
    counts = [tf.cast(tf.round(c), tf.int32) for c in counts]
    return ClippedSum(sums, *counts), count_noise
