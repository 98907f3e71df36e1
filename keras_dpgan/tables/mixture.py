"""A table's distribution as a mixture: in each component, columns are independent."""

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
        return tf.concat(
            [
                tf.nn.softmax(self.logits[:, self.slice(column)])
                for column in range(len(self.num_cells))
            ],
            axis=1,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "num_cells": self.num_cells,
            "components": self.components,
        }


def pair_shares(probabilities):
    """The mixture's pairs of cells, and single ones on the diagonal.

    Args:
        probabilities: What `ProductMixture` gives, `(components, cells)`.

    Returns:
        A tensor `(cells, cells)`. Between two cells of one column it means nothing.
    """
    scale = 1.0 / probabilities.shape[0]
    pairs = scale * tf.matmul(probabilities, probabilities, transpose_a=True)
    return tf.linalg.set_diag(pairs, tf.reduce_mean(probabilities, axis=0))


def triple_shares(probabilities, of_target):
    """The mixture's pairs of cells together with each cell of the target.

    Args:
        probabilities: `(components, cells)`.
        of_target: Those of the target's cells, `(components, groups)`.

    Returns:
        A tensor `(groups, cells, cells)`.
    """
    weighted = tf.transpose(of_target)[:, :, None] * probabilities
    scale = 1.0 / probabilities.shape[0]
    return scale * tf.einsum("gka,kb->gab", weighted, probabilities)
