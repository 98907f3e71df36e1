"""Trains a mixture on what was measured, which costs nothing."""

import keras
import tensorflow as tf

from keras_dpgan.tables import mixture as shares

_LEARNING_RATE = 0.03
_WARM_UP = 10


class MixtureTraining:
    """Fits a `ProductMixture` to noisy counts by weighted least squares.

    Each difference counts by the precision of its measurement, so that the loss is the
    likelihood of the Gaussian noise. Shares of a mixture are never negative and agree
    with one another; noise that does not is left out by the fit.

    Args:
        mixture: A `ProductMixture`.
        target: Int, the place of the target's column, or `None`.
    """

    def __init__(self, mixture, target):
        self._mixture = mixture
        self._target = None if target is None else mixture.slice(target)

    def fit(self, measured, total, steps):
        """Makes so many steps.

        Args:
            measured: `Measurements`.
            total: Float, the estimated number of rows.
            steps: Int.
        """
        optimizer = keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(
                0.0, steps, warmup_target=_LEARNING_RATE, warmup_steps=_WARM_UP
            ),
            beta_2=0.99,
            epsilon=1e-12,
        )
        optimizer.build([self._mixture.logits])
        scale = total**2
        tables = [(measured.pairs / total, scale * measured.pair_precision)]
        if measured.has_triples:
            tables.append((measured.triples / total, scale * measured.triple_precision))
        tables = [
            tuple(tf.constant(part, tf.float32) for part in table) for table in tables
        ]

        @tf.function
        def run():
            for _ in tf.range(steps):
                with tf.GradientTape() as tape:
                    loss = self._loss(tables)
                gradient = tape.gradient(loss, self._mixture.logits.value)
                optimizer.apply([gradient], [self._mixture.logits])

        # Its concrete function: another one of each fit would count as retracing.
        run.get_concrete_function()()

    def _loss(self, tables):
        probabilities = self._mixture()
        (pairs, precision), *rest = tables
        loss = _weighted(shares.pair_shares(probabilities) - pairs, precision)
        for triples, precision in rest:
            found = shares.triple_shares(probabilities, probabilities[:, self._target])
            loss += _weighted(found - triples, precision)
        return loss

    def shares(self):
        """The shares of pairs and triples as they are now, float64 arrays."""
        probabilities = self._mixture()
        pairs = shares.pair_shares(probabilities).numpy().astype("float64")
        if self._target is None:
            return pairs, None
        triples = shares.triple_shares(probabilities, probabilities[:, self._target])
        return pairs, triples.numpy().astype("float64")


def _weighted(differences, precision):
    return tf.reduce_sum(precision * tf.square(differences))
