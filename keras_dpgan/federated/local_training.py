"""A client's discriminator, trained on the client's own records."""

from keras_dpgan import privacy
from keras_dpgan.data import PoissonDataset


class LocalTraining:
    """Trains the shared discriminator for a few updates on one client's records.

    The generator stays as the server sent it, and so nothing of the optimizer
    is left from one round to the next: what a client sends is a function of what
    it got, of its records and of fresh randomness.

    Args:
        gan: A compiled `DPGAN`, private or (`private=False`) not, whose
            `discriminator_steps` no round reaches. Its weights are overwritten.
        x: Records of shape `(n, ...)`.
        y: Int labels of shape `(n,)` for a conditional model.
        expected_batch_size: Positive float, at most `n`.
        updates: Int, the updates of one round.
    """

    def __init__(self, gan, x, y, expected_batch_size, updates):
        self._gan = gan
        self._data = PoissonDataset(
            x, y, expected_batch_size=expected_batch_size, steps_per_epoch=updates
        )
        self._optimizer = [v.numpy() for v in gan.d_optimizer.variables]

    @property
    def entry(self):
        """What one round costs, as a `privacy.HistoryEntry`.

        Raises:
            ValueError: If the model is not private.
        """
        if not self._gan.private:
            raise ValueError(
                "Local training without noise has no guarantee of its own: the "
                "update must be noised before it leaves."
            )
        return privacy.HistoryEntry(
            mechanism="gaussian",
            noise_multiplier=self._gan.d_optimizer.noise_multiplier,
            sampling_probability=self._data.sampling_probability,
            count=len(self._data),
        )

    def weights_after(self, d_weights, g_weights):
        """Trains for one round.

        Args:
            d_weights: List of arrays, the discriminator's trainable weights.
            g_weights: List of arrays, all weights of the generator.

        Returns:
            List of arrays, the discriminator's trainable weights afterwards.
        """
        variables = self._gan.discriminator.trainable_variables
        for variable, value in zip(variables, d_weights, strict=True):
            variable.assign(value)
        self._gan.generator.set_weights(g_weights)
        for variable, value in zip(
            self._gan.d_optimizer.variables, self._optimizer, strict=True
        ):
            variable.assign(value)
        self._gan.fit(self._data, epochs=1, verbose=0)
        return [v.numpy() for v in variables]
