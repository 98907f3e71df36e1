"""The processes that train one model together."""

import contextlib
import functools
import json

import numpy as np
import tensorflow as tf

_STRATEGIES = (
    tf.distribute.MirroredStrategy,
    tf.distribute.MultiWorkerMirroredStrategy,
    tf.distribute.OneDeviceStrategy,
)

# TensorFlow raises one of these if another worker does not answer.
_LOSSES = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
)
_WORD = 8  # Bytes are sent as int64 numbers, which have eight of them.


def check_strategy(strategy):
    """Refuses a strategy under which noise might not be added exactly once.

    Args:
        strategy: A `tf.distribute.Strategy`.

    Raises:
        ValueError: For a `ParameterServerStrategy` and for unknown strategies.
    """
    if isinstance(strategy, _STRATEGIES) or not tf.distribute.has_strategy():
        return
    if isinstance(strategy, tf.distribute.experimental.ParameterServerStrategy):
        raise ValueError(
            "A `ParameterServerStrategy` cannot train a `DPGAN`. Each of its workers "
            "updates the weights by itself, so there is no sum over all workers to "
            "which noise could be added once. The `fit` of Keras 3 does not support it "
            "either. Use `tf.distribute.MultiWorkerMirroredStrategy`."
        )
    raise ValueError(
        "A `DPGAN` trains on one device, under `tf.distribute.MirroredStrategy` or "
        "under `tf.distribute.MultiWorkerMirroredStrategy`. Under another strategy "
        "nothing guarantees that each record enters an update only once and that the "
        "noise is added only once. "
        f"Received: {type(strategy).__name__}"
    )


def are_several(strategy):
    """Whether several processes train together."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return False
    return strategy.num_replicas_in_sync > num_local_replicas(strategy)


def num_local_replicas(strategy):
    """The number of replicas in this worker, an int."""
    return len(strategy.extended.worker_devices)


def is_chief(strategy: tf.distribute.Strategy | None = None) -> bool:
    """Whether this process is the one that writes the ledger, samples and exports.

    Examples:
        >>> import tensorflow as tf
        >>> strategy = tf.distribute.get_strategy()
        >>> ledger = None
        >>> if dpgan.distribution.is_chief(strategy):
        ...     ledger = dpgan.privacy.Ledger("my.ledger", data_name="my data")

    Args:
        strategy: A `tf.distribute.Strategy`. Defaults to `None`: the strategy in whose
            scope the function is called.

    Returns:
        Bool; `True` if there is only one process.
    """
    strategy = strategy or tf.distribute.get_strategy()
    if not are_several(strategy):
        return True
    resolver = strategy.cluster_resolver
    has_chief = "chief" in resolver.cluster_spec().jobs
    return resolver.task_type == "chief" or (resolver.task_id == 0 and not has_chief)


def broadcast(strategy, content):
    """Gives each worker the content that the chief has.

    Args:
        strategy: A strategy of several workers, each of which makes this call.
        content: Bytes of any length; those of other workers than the chief are ignored.

    Returns:
        The chief's bytes.
    """
    if not is_chief(strategy):
        content = b""
    length = int(_sum(strategy, np.array([len(content)], np.int64))[0])
    words = np.zeros(-(-length // _WORD), np.int64)
    words.view(np.uint8)[: len(content)] = np.frombuffer(content, np.uint8)
    return _sum(strategy, words).tobytes()[:length]


def _sum(strategy, numbers):
    """Adds up the int64 vectors that the workers have."""
    sums = _summation(strategy)(tf.constant(numbers))
    return strategy.experimental_local_results(sums)[0].numpy()


@functools.cache
def _summation(strategy):
    def add_up(numbers):
        context = tf.distribute.get_replica_context()
        place = context.replica_id_in_sync_group % num_local_replicas(strategy)
        own = tf.where(tf.equal(place, 0), numbers, tf.zeros_like(numbers))
        return context.all_reduce(tf.distribute.ReduceOp.SUM, own)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.int64)])
    def sum_over_workers(numbers):
        return strategy.run(add_up, (numbers,))

    return sum_over_workers


def check_equal(strategy, facts):
    """Raises in each worker if the settings of one of them differ from the chief's.

    Args:
        strategy: A strategy of several workers, each of which makes this call.
        facts: Dict of JSON values by name.

    Raises:
        ValueError: If they differ; the message names the settings.
    """
    of_chief = json.loads(broadcast(strategy, json.dumps(facts).encode()))
    differing = [name for name in facts if facts[name] != of_chief.get(name)]
    if _sum(strategy, np.array([len(differing)], np.int64))[0]:
        here = {name: (facts[name], of_chief.get(name)) for name in differing}
        raise ValueError(
            "All workers must have the same settings and the same data. Run the same "
            "script in each of them. Settings that differ, as (this worker's, the "
            f"chief's): {here or 'none here; see the message of another worker'}"
        )


@contextlib.contextmanager
def explained_losses(strategy):
    """Explains the error that is raised if another worker does not answer.

    Args:
        strategy: A `tf.distribute.Strategy`.

    Raises:
        RuntimeError: If a worker cannot be reached.
    """
    try:
        yield
    except _LOSSES as error:
        if not are_several(strategy):
            raise
        resolver = strategy.cluster_resolver
        raise RuntimeError(
            "A worker of this training has ended or cannot be reached, so "
            f"{resolver.task_type} {resolver.task_id} ends, too. What was reserved in "
            "the ledger counts as spent. Start the same script again in all workers. "
            "With `ResumableFit`, training continues from the last checkpoint."
        ) from error
