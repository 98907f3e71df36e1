"""The latents and conditions of a seed: equal in a model, its export and the command.

`tests/fixtures/sample_draws.json` pins them, because whoever publishes a seed expects
it to give the same rows in every later version.
"""

import numpy as np
import tensorflow as tf

from keras_dpgan._utils import validate
from keras_dpgan.sampling.randomness import Draws

CHUNK = 1024
MAX_SEED = 2**63 - 1
_LATENTS, _CONDITIONS, _STREAMS = range(3)


class _StreamDraws(Draws):
    """The only draw from one stream of a chunk."""

    def __init__(self, seed, chunk, stream):
        self._seed = tf.stack([seed, _STREAMS * chunk + stream])

    def seed(self):
        return self._seed


class Sampler:
    """Draws the latents and conditions from which a generator makes rows.

    They are drawn in chunks of 1,024, each from the seed and the number of the chunk.
    So a large draw needs no more memory than a chunk, and begins with the rows of a
    smaller draw.

    Args:
        latent_shape: Tuple of ints, the shape of one row's latents.
        condition: A `LabelCondition`, a `VectorCondition`, or `None`.
    """

    def __init__(self, latent_shape, condition):
        self._latent_shape = tuple(latent_shape)
        self._condition = condition

    def latents(self, seed, chunk):
        """The latents of a chunk.

        Args:
            seed: Int64 scalar tensor.
            chunk: Int64 scalar tensor, the number of the chunk, from 0 on.

        Returns:
            A float32 tensor of shape `(1024, *latent_shape)`.
        """
        draws = _StreamDraws(seed, chunk, _LATENTS)
        return draws.normal((CHUNK, *self._latent_shape))

    def conditions(self, seed, chunk):
        """The conditions of a chunk; arguments as those of `latents`."""
        draws = _StreamDraws(seed, chunk, _CONDITIONS)
        return self._condition.draw(CHUNK, draws)

    def in_graph(self, draw, n, seed):
        """The first `n` latents or conditions of all chunks together.

        Args:
            draw: `sampler.latents` or `sampler.conditions`.
            n: Int32 scalar tensor.
            seed: Int64 scalar tensor.

        Returns:
            A tensor of `n` entries.
        """
        zero = tf.constant(0, tf.int64)
        one = draw(zero, zero)
        chunks = tf.maximum((tf.cast(n, tf.int64) + CHUNK - 1) // CHUNK, 1)
        drawn = tf.map_fn(
            lambda chunk: draw(seed, chunk),
            tf.range(chunks),
            fn_output_signature=tf.TensorSpec(one.shape, one.dtype),
        )
        return tf.reshape(drawn, (-1, *one.shape[1:]))[:n]

    def batches(self, n, conditions, seed):
        """Draws chunk by chunk, eagerly.

        Args:
            n: Non-negative int. For 0 there is one empty chunk, so that the empty
                result has the right shape and dtype.
            conditions: Array of `n` conditions, or `None`: they are drawn, if the
                generator takes any.
            seed: Int in [0, 2**63).

        Yields:
            `(latents, conditions)`: tensors of up to 1,024 entries, the latter `None`
            for an unconditional generator.
        """
        seed = tf.constant(seed, tf.int64)
        for number, start in enumerate(range(0, max(n, 1), CHUNK)):
            count = min(CHUNK, n - start)
            chunk = tf.constant(number, tf.int64)
            latents = self.latents(seed, chunk)[:count]
            if self._condition is None:
                yield latents, None
            elif conditions is None:
                yield latents, self.conditions(seed, chunk)[:count]
            else:
                yield latents, tf.constant(conditions[start : start + count])

    def check_conditions(self, conditions, n):
        """The conditions asked for, as an array; `None` if none are asked for.

        Raises:
            ValueError: If they do not fit the generator.
        """
        if conditions is None:
            return None
        if self._condition is None:
            raise ValueError(
                "`labels` must be None, because the generator is not conditional. "
                f"Received: labels={conditions!r:.80}"
            )
        return self._condition.check(conditions, n)


def check_seed(seed):
    """A seed as an int.

    Args:
        seed: Int in [0, 2**63) of Python, NumPy or TensorFlow, of any integer dtype.

    Raises:
        ValueError: If it is anything else.
    """
    if hasattr(seed, "__array__"):
        seed = np.asarray(seed)[()]
    return validate.check_int("seed", seed, minimum=0, maximum=MAX_SEED)
