"""Trains a mixture on what was measured, which costs nothing."""

import itertools

import keras
import numpy as np
import tensorflow as tf

_LEARNING_RATE = 0.03
_WARM_UP = 10
# Between two of them the progress bar stands still.
_STEPS_AT_A_TIME = 20


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
        self._target = target

    def fit(self, measured, total, steps, made):
        """Makes so many steps.

        Args:
            measured: `Measurements`.
            total: Float, the estimated number of rows.
            steps: Int.
            made: Function that is called with the number of steps that were made
                since its last call.
        """
        optimizer = keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(
                0.0, steps, warmup_target=_LEARNING_RATE, warmup_steps=_WARM_UP
            ),
            beta_2=0.99,
            epsilon=1e-12,
        )
        optimizer.build([self._mixture.logits])
        singles = _singles(measured, total)
        terms = [
            self._term(key, list(group), measured, total)
            for key, group in itertools.groupby(sorted(measured.tables), _left)
        ]

        @tf.function
        def run(number):
            for _ in tf.range(number):
                with tf.GradientTape() as tape:
                    loss = self._loss(singles, terms)
                gradient = tape.gradient(loss, self._mixture.logits.value)
                optimizer.apply([gradient], [self._mixture.logits])

        # Its concrete function: another one of each fit would count as retracing.
        run = run.get_concrete_function(tf.TensorSpec((), tf.int32))
        for done in range(0, steps, _STEPS_AT_A_TIME):
            number = min(_STEPS_AT_A_TIME, steps - done)
            run(tf.constant(number, tf.int32))
            made(number)

    def _term(self, key, candidates, measured, total):
        """All that was measured with one first column: one product of matrices."""
        with_target, a = key
        cells = [np.arange(*_ends(self._mixture.slice(b))) for _, _, b in candidates]
        tables = [measured.tables[candidate] for candidate in candidates]
        widths = [len(part) for part in cells]
        shares = [t.counts.reshape(-1, w) for t, w in zip(tables, widths, strict=True)]
        precision = np.repeat([table.precision for table in tables], widths)
        return (
            with_target,
            a,
            tf.constant(np.concatenate(cells), tf.int32),
            tf.constant(np.concatenate(shares, axis=1) / total, tf.float32),
            tf.constant(total**2 * precision, tf.float32),
        )

    def _loss(self, singles, terms):
        columns = [tf.transpose(part) for part in self._mixture.by_column()]
        probabilities = tf.concat(columns, axis=0)
        shares, precision = singles
        found = tf.reduce_mean(probabilities, axis=1)
        loss = tf.reduce_sum(precision * tf.square(found - shares))
        scale = 1.0 / self._mixture.components
        for with_target, a, others, shares, precision in terms:
            left = columns[a]
            if with_target:
                left = _each_with_each(columns[self._target], left)
            right = tf.gather(probabilities, others)
            found = scale * tf.matmul(left, right, transpose_b=True)
            loss += tf.reduce_sum(precision * tf.square(found - shares))
        return loss


def _left(candidate):
    """Whether a candidate is with the target, and its first column."""
    return candidate[:2]


def _ends(place):
    return place.start, place.stop


def _singles(measured, total):
    """Shares of all single cells, and how exact they are."""
    found = [measured.singles[column] for column in sorted(measured.singles)]
    precision = [np.full(len(one.counts), one.precision) for one in found]
    shares = np.concatenate([one.counts for one in found]) / total
    return (
        tf.constant(shares, tf.float32),
        tf.constant(total**2 * np.concatenate(precision), tf.float32),
    )


def _each_with_each(first, second):
    """Products of all rows of two tensors: `(rows of both, components)`."""
    products = first[:, None, :] * second[None, :, :]
    return tf.reshape(products, (-1, tf.shape(first)[1]))
