"""Rows from public latents and labels: nothing here sees a record."""

import numpy as np
import tensorflow as tf

from keras_dpgan import _validate
from keras_dpgan import networks

_CHUNK = 1024


class PublicGeneration:
    """Runs a generator on latents and labels that depend on no record.

    Args:
        generator: A `keras.Model`.
        latent_dim: Int.
        num_classes: Int, or `None` for an unconditional generator.
        label_prior: Non-negative numbers, one per label; `None` is uniform.

    Raises:
        ValueError: If `label_prior` does not fit.
    """

    def __init__(self, generator, latent_dim, num_classes, label_prior=None):
        self.generator = generator
        self.latent_dim = latent_dim
        self.num_classes = num_classes
        self.label_probabilities = _probabilities(label_prior, num_classes)

    def rows(self, n, labels, training, draws):
        """Generates `n` rows from the latents of `draws`, a `PublicDraws`."""
        latents = draws.normal((n, self.latent_dim))
        return networks.call(self.generator, latents, labels, training)

    def labels(self, n, draws):
        """Draws `n` labels from the prior; `None` for an unconditional model."""
        if self.num_classes is None:
            return None
        return draws.categories(self.label_probabilities, n)

    def pool(self, size_per_label, draws):
        """As many rows of each label, in the order of the labels."""
        if self.num_classes is None:
            return self.rows(size_per_label, None, training=True, draws=draws)
        labels = tf.repeat(tf.range(self.num_classes), size_per_label)
        n = self.num_classes * size_per_label
        return self.rows(n, labels, training=True, draws=draws)

    def sample(self, n, labels=None, seed=None):
        """Draws rows as NumPy arrays; see `DPGAN.sample`."""
        _validate.check_int("n", n, minimum=0)
        labels = self._sample_labels(n, labels, seed)
        latents = self._sample_latents(n, seed)
        # One empty call, so that no rows have the shape and dtype of some.
        chunks = [
            self._infer(latents[i : i + _CHUNK], labels, i)
            for i in range(0, max(n, 1), _CHUNK)
        ]
        rows = np.concatenate(chunks)
        return rows if labels is None else (rows, labels)

    def _infer(self, latents, labels, start):
        if labels is not None:
            labels = tf.constant(labels[start : start + len(latents)])
        rows = networks.call(self.generator, latents, labels, training=False)
        return np.asarray(tf.cast(rows, tf.float32))

    def _sample_latents(self, n, seed):
        if seed is None:
            return tf.random.normal((n, self.latent_dim))
        return tf.random.stateless_normal((n, self.latent_dim), seed=[seed, 0])

    def _sample_labels(self, n, labels, seed):
        if self.num_classes is None:
            if labels is not None:
                raise ValueError(
                    "`labels` must be None: the model is not conditional. Received: "
                    f"labels={labels!r:.80}"
                )
            return None
        if labels is None:
            rng = np.random.default_rng(seed)
            drawn = rng.choice(self.num_classes, n, p=self.label_probabilities)
            return drawn.astype(np.int32)
        labels = np.asarray(labels)
        if labels.shape not in ((), (n,)) or labels.dtype.kind not in "iu":
            raise ValueError(
                f"`labels` must be ints of shape ({n},), or one int. Received: "
                f"labels of shape {labels.shape} and dtype {labels.dtype}"
            )
        if n and (labels.min() < 0 or labels.max() >= self.num_classes):
            raise ValueError(
                f"`labels` must be in [0, {self.num_classes}). Received: labels from "
                f"{labels.min()} to {labels.max()}"
            )
        return np.broadcast_to(labels, (n,)).astype(np.int32)


def _probabilities(label_prior, num_classes):
    """The label prior as a list of probabilities; `None` without labels."""
    if num_classes is None and label_prior is None:
        return None
    if label_prior is None:
        return [1.0 / num_classes] * num_classes
    prior = np.asarray(label_prior, np.float64)
    if prior.shape != (num_classes,) or (prior < 0).any() or prior.sum() <= 0:
        raise ValueError(
            "`label_prior` must be one non-negative number per label, for "
            f"num_classes={num_classes}. Received: label_prior={label_prior}"
        )
    return (prior / prior.sum()).tolist()
