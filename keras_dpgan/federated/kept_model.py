"""The shared model that a client keeps for itself, and makes its own."""

import collections.abc
import functools
import math
import os
import typing

import numpy as np

from keras_dpgan.gan import checkpoint

if typing.TYPE_CHECKING:
    from keras_dpgan.gan.dpgan import DPGAN


class KeptModel:
    """Keeps the shared model that suits a client best, on the client's own disk.

    A client scores each shared model that it gets on records of its own that it
    does not train with. What it finds moves nothing but what it keeps: no method
    here makes anything that is sent, and the model has a `DPGAN` of its own. What
    is kept was chosen by private records, without noise: it has no guarantee, and
    must not leave the client.

    Examples:
        >>> import keras
        >>> gan = dpgan.DPGAN(
        ...     dpgan.models.vector_discriminator(2, hidden=(8,)),
        ...     dpgan.models.vector_generator(2, latent_dim=3, hidden=(8,)),
        ... )
        >>> gan.compile(
        ...     d_optimizer=keras.optimizers.SGD(0.1), g_optimizer="adam", private=False
        ... )
        >>> kept = dpgan.federated.KeptModel(gan, "kept", score=lambda gan: 0.5)
        >>> d_weights = [v.numpy() for v in gan.discriminator.trainable_variables]
        >>> kept.offer(d_weights, gan.generator.get_weights())  # Each round.
        True
        >>> personal = kept.load()  # To be trained further on the client's own records.

    Args:
        gan: A `DPGAN`, compiled as the client's own further training is to be: with
            privacy it has the guarantee of that training for the records that it
            trains with, and none for those that scored.
        directory: Where the model is kept; made where there is none.
        score: Function from the `DPGAN` to a float, the larger the better. One that
            is not a number is never kept.
    """

    def __init__(
        self,
        gan: "DPGAN",
        directory: str | os.PathLike[str],
        score: "collections.abc.Callable[[DPGAN], float]",
    ) -> None:
        self._gan, self._score = gan, score
        os.makedirs(directory, mode=0o700, exist_ok=True)
        self._path = os.path.join(directory, "kept.weights.h5")
        self._facts = checkpoint.facts_of(gan)

    @functools.cached_property
    def best_score(self) -> float:
        """The score of what is kept; minus infinity where there is nothing."""
        if not os.path.exists(self._path):
            return -math.inf
        return float(self._score(self.load()))

    def offer(
        self,
        d_weights: collections.abc.Sequence[np.ndarray],
        g_weights: collections.abc.Sequence[np.ndarray],
    ) -> bool:
        """Keeps a shared model if its score is better than that of what is kept.

        Args:
            d_weights: List of arrays, the discriminator's trainable weights.
            g_weights: List of arrays, all weights of the generator.

        Returns:
            Whether it is kept.
        """
        best = self.best_score
        variables = self._gan.discriminator.trainable_variables
        for variable, value in zip(variables, d_weights, strict=True):
            variable.assign(value)
        self._gan.generator.set_weights(g_weights)
        score = float(self._score(self._gan))
        # One that is not a number is not larger than any.
        if not score > best:
            return False
        checkpoint.save(self._path, self._gan, self._facts, epoch=0, step=0)
        self.best_score = score
        return True

    def load(self) -> "DPGAN":
        """The `DPGAN` with the weights that are kept, to sample or to train further.

        Raises:
            FileNotFoundError: If no model was kept yet.
        """
        if not os.path.exists(self._path):
            raise FileNotFoundError(
                f"`{os.path.dirname(self._path)}` has no model yet: `offer` one."
            )
        checkpoint.load(self._path, self._gan, self._facts)
        return self._gan
