"""The only module that imports TensorFlow Privacy.

Its queries supply the clip, the state and the privacy event. The noise is drawn here,
because TensorFlow Privacy draws from TensorFlow's global seed. It keeps its state in
Python attributes, which a `tf.function` would treat as constants; here the state is
returned, so that the caller can keep it in variables.
"""

import copy
import importlib.util
import sys
import typing

import keras
import tensorflow as tf

from keras_dpgan._utils import validate
from keras_dpgan.mechanisms.gaussian import READ_ONLY
from keras_dpgan.mechanisms.gaussian import GaussianMechanism
from keras_dpgan.mechanisms.noise import in_plain_eager_thread

INSTALL = 'pip install "tensorflow-privacy==0.9.0"  (Python 3.11 only)'


def is_available():
    """Whether TensorFlow Privacy is installed."""
    return importlib.util.find_spec("tensorflow_privacy") is not None


def import_queries():
    """Imports TensorFlow Privacy's queries without its estimators.

    Returns:
        The module `tensorflow_privacy.privacy.dp_query`'s submodules, as a dict
        of names to modules.

    Raises:
        ImportError: If it is not installed; the message says what to install.
    """
    if not is_available():
        raise ImportError(
            "`dp_sum_query` needs TensorFlow Privacy, which is not installed. "
            f"Run: {INSTALL}"
        )
    # Its `__init__` imports estimators, which TensorFlow has removed. TensorFlow
    # Privacy itself offers this switch to skip them.
    sys.skip_tf_privacy_import = True  # type: ignore[attr-defined]
    from tensorflow_privacy.privacy.dp_query import gaussian_query
    from tensorflow_privacy.privacy.dp_query import quantile_adaptive_clip_sum_query
    from tensorflow_privacy.privacy.dp_query import tree_aggregation_query

    return {
        "gaussian": gaussian_query,
        "adaptive": quantile_adaptive_clip_sum_query,
        "tree": tree_aggregation_query,
    }


def gaussian_mechanism(l2_norm_clip, noise_multiplier):
    """The mechanism of TensorFlow Privacy's `GaussianSumQuery`."""
    query = import_queries()["gaussian"].GaussianSumQuery(
        l2_norm_clip, noise_multiplier * l2_norm_clip
    )
    return GaussianQueryMechanism(query, l2_norm_clip, noise_multiplier)


def mechanism_of(query):
    """The mechanism of a TensorFlow Privacy query.

    Args:
        query: A `GaussianSumQuery` or a `QuantileAdaptiveClipSumQuery`.

    Raises:
        ValueError: For a query that cannot be used here; the message says why.
    """
    queries = import_queries()
    # A copy is used, because the user may change the original later.
    query = copy.deepcopy(query)
    if isinstance(query, queries["adaptive"].QuantileAdaptiveClipSumQuery):
        return AdaptiveClipMechanism(query)
    if isinstance(query, queries["gaussian"].GaussianSumQuery):
        clip = float(query._l2_norm_clip)
        return GaussianQueryMechanism(query, clip, float(query._stddev) / clip)
    if type(query).__module__ == queries["tree"].__name__:
        raise ValueError(
            "`dp_sum_query` must not be a tree aggregation. Its guarantee needs each "
            "record in at most one update per tree, which Poisson sampling does not "
            "ensure, and its accounting has a different neighboring relation. "
            f"Received: dp_sum_query={query}. Use a `GaussianSumQuery` or a "
            "`QuantileAdaptiveClipSumQuery`."
        )
    raise ValueError(
        "`dp_sum_query` must be a `GaussianSumQuery` or a "
        "`QuantileAdaptiveClipSumQuery` of TensorFlow Privacy. It must not be a "
        "normalized query, because the optimizer divides by the expected batch size. "
        f"Received: dp_sum_query={query}"
    )


class GaussianQueryMechanism(GaussianMechanism):
    """TensorFlow Privacy's `GaussianSumQuery`, with our own noise."""

    def __init__(self, query, l2_norm_clip, noise_multiplier):
        super().__init__(l2_norm_clip, noise_multiplier)
        self._query = query

    def l2_norm_clip(self, state):
        del state
        return self._query.derive_sample_params(self._query.initial_global_state())

    def noise_stddev(self, state):
        del state
        return self._query.initial_global_state().stddev


class AdaptiveClipMechanism(validate.ReadOnly):
    """TensorFlow Privacy's `QuantileAdaptiveClipSumQuery`, with our own noise.

    The clip follows a quantile of the records' gradient norms (Andrew et al. 2021,
    "Differentially Private Learning with Adaptive Clipping"). Only the estimate of the
    clip is state. The noise multiplier and the noise of the count stay as given, so
    that no file can change them without the accountant noticing.
    """

    _read_only = READ_ONLY
    name = "adaptive_clip_gaussian"

    def __init__(self, query):
        self._query = query
        self._quantile = query._quantile_estimator_query
        self.noise_multiplier = float(query._noise_multiplier)
        count_query = self._quantile._below_estimate_query._numerator
        self.clipped_count_stddev = float(count_query._stddev)
        self.initial_l2_norm_clip = float(query._sum_query._l2_norm_clip)
        self.initial_state = (self.initial_l2_norm_clip,)

    def l2_norm_clip(self, state):
        (estimate,) = state
        return tf.maximum(estimate, 0.0)

    def noise_stddev(self, state):
        return self.noise_multiplier * self.l2_norm_clip(state)

    def next_state(self, state, clipped_sum, count_noise):
        # TF Privacy counts records as +0.5 or -0.5, so one moves the sum by a half.
        count = tf.cast(clipped_sum.num_unclipped, tf.float32)
        count -= 0.5 * tf.cast(clipped_sum.num_records, tf.float32)
        count += self.clipped_count_stddev * tf.cast(count_noise, tf.float32)
        initial = self._quantile.initial_global_state()
        below = initial.below_estimate_state
        # The count has its noise already, so TF Privacy must not add more.
        no_noise = below.numerator_state._replace(stddev=tf.constant(0.0))
        estimate, _, _ = self._quantile.get_noised_result(
            count,
            initial._replace(
                current_estimate=state[0],
                below_estimate_state=below._replace(numerator_state=no_noise),
            ),
        )
        return [estimate]

    def get_config(self):
        quantile = self._quantile
        return {
            "initial_l2_norm_clip": self.initial_l2_norm_clip,
            "noise_multiplier": self.noise_multiplier,
            "target_unclipped_quantile": float(quantile._target_quantile),
            "learning_rate": float(quantile._learning_rate),
            "clipped_count_stddev": self.clipped_count_stddev,
            "expected_num_records": quantile._below_estimate_query._denominator,
            "geometric_update": quantile._geometric_update,
        }

    @classmethod
    def from_config(cls, config):
        query_class = import_queries()["adaptive"].QuantileAdaptiveClipSumQuery
        return cls(query_class(**config))


def clipped_mean_of_losses(losses, variables, tape, l2_norm_clip):
    """TensorFlow Privacy's own clipped gradients, without noise.

    Args:
        losses: Tensor of shape `(n,)`, computed under `tape`.
        variables: List of tensors or `tf.Variable`.
        tape: A persistent `tf.GradientTape`.
        l2_norm_clip: Positive float.

    Returns:
        List of tensors: the mean of the records' clipped gradients.
    """
    import_queries()
    from tensorflow_privacy.privacy.optimizers import dp_optimizer_keras_vectorized

    factory = dp_optimizer_keras_vectorized.make_vectorized_keras_optimizer_class
    base: typing.Any = factory(keras.optimizers.SGD)

    class OnKeras3(base):
        @property
        def _name(self):
            return self.name

    # The optimizer has variables, which a traced function must not create.
    optimizer = in_plain_eager_thread(
        lambda: OnKeras3(l2_norm_clip, 0.0, unconnected_gradients_to_zero=True)
    )
    pairs = optimizer._compute_gradients(losses, variables, tape=tape)
    return [gradient for gradient, _ in pairs]
