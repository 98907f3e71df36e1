"""A table's distribution as a mixture: in each component, columns are independent."""

import itertools

import keras
import numpy as np
import tensorflow as tf

# Where a probability is never taken to be smaller.
_SMALLEST = 1e-4


@keras.saving.register_keras_serializable(package="keras_dpgan")
class ProductMixture(keras.layers.Layer):
    """Components of equal weight; each has a softmax for each column.

    It is what a generator with a softmax per column makes of a fixed set of latents,
    with these outputs themselves as weights: it is fitted in seconds, its marginals
    are exact, and given any columns the others follow by Bayes' rule.

    Source: Liu, Vietri and Wu 2021, "Iterative Methods for Private Synthetic Data"
    (GEM); Aydore et al. 2021, "Differentially Private Query Release Through Adaptive
    Projection" (RAP).

    Args:
        num_cells: Tuple of ints: the cells of each column.
        components: Int.
    """

    def __init__(self, num_cells, components, **kwargs):
        super().__init__(**kwargs)
        self.num_cells = tuple(num_cells)
        self.components = components
        self.offsets = np.concatenate([[0], np.cumsum(self.num_cells)]).tolist()
        self.logits = self.add_weight(
            shape=(components, self.offsets[-1]), initializer="zeros", name="logits"
        )

    def begin(self, singles):
        """Starts near independent columns, each component at a place of its own.

        Args:
            singles: List of float arrays: estimated counts of each column's cells.
        """
        shares = [np.maximum(counts, 0.0) for counts in singles]
        logs = [
            np.log(np.maximum(share, _SMALLEST) / max(share.sum(), _SMALLEST))
            for share in shares
        ]
        normals = np.random.default_rng().standard_normal(self.logits.shape)
        self.logits.assign(np.concatenate(logs) + normals)

    def slice(self, column):
        """Where a column's cells are, a slice."""
        return slice(self.offsets[column], self.offsets[column + 1])

    def call(self, inputs=None):
        """The probability of each cell in each component, `(components, cells)`."""
        del inputs
        return tf.concat(self.by_column(), axis=1)

    def by_column(self) -> list:
        """The same for each column, tensors of shape `(components, its cells)`."""
        # Not by slices: the gradient of each would be as large as all together.
        parts = tf.split(self.logits, self.num_cells, axis=1)
        return [tf.nn.softmax(part) for part in parts]

    def get_config(self):
        return {
            **super().get_config(),
            "num_cells": self.num_cells,
            "components": self.components,
        }


def table_shares(probabilities, offsets, candidates, target=None):
    """What share of rows a mixture has in each cell of some columns.

    Args:
        probabilities: Array of shape `(components, cells)`: what `ProductMixture`
            gives.
        offsets: Where each column begins; see `TableCounts`.
        candidates: List of `(with_target, a, b)`, those of the same first two together.
        target: Int, the target's column. Defaults to `None`: it is in none of them.

    Yields:
        Arrays of the shape of `TableCounts.table`.
    """
    probabilities = np.asarray(probabilities)
    scale = 1.0 / len(probabilities)

    def of(column):
        return probabilities[:, offsets[column] : offsets[column + 1]]

    for (with_target, a), group in itertools.groupby(candidates, lambda c: c[:2]):
        left = of(a)
        if with_target:
            left = of(target)[:, :, None] * left[:, None, :]
        shape = left.shape[1:]
        left = left.reshape(len(left), -1).T
        # One product for all: many small ones take longer.
        found = scale * (left @ probabilities[:, offsets[a + 1] :])
        for _, _, b in group:
            start, end = np.array(offsets[b : b + 2]) - offsets[a + 1]
            yield found[:, start:end].reshape(*shape, -1)
