"""Rows from public latents and conditions: nothing here sees a record."""

import random

import numpy as np
import tensorflow as tf

from keras_dpgan._utils import validate
from keras_dpgan.gan import network_inputs
from keras_dpgan.gan import networks
from keras_dpgan.sampling import sampler


class PublicGeneration:
    """Runs a generator on latents and conditions that depend on no record.

    Args:
        generator: A `keras.Model`.
        latent_shape: Tuple of ints, the shape of one row's latents.
        condition: A `LabelCondition`, a `VectorCondition`, or `None` for an
            unconditional generator.
    """

    def __init__(self, generator, latent_shape, condition=None):
        self.generator = generator
        self.condition = condition
        self.num_classes = getattr(condition, "num_classes", None)
        self.label_probabilities = getattr(condition, "probabilities", None)
        self.latent_shape = tuple(latent_shape)
        self._sampler = sampler.Sampler(latent_shape, condition)

    @property
    def vector_condition(self):
        """The condition where it is a vector; `None` for a label or nothing."""
        return self.condition if self.num_classes is None else None

    def rows(self, n, labels, training, draws):
        """Generates `n` rows from the latents of `draws`, a `PublicDraws`."""
        latents = draws.normal((n, *self.latent_shape))
        return networks.call(self.generator, latents, labels, training)

    def labels(self, n, draws):
        """Draws `n` conditions from the prior; `None` for an unconditional model."""
        if self.condition is None:
            return None
        return self.condition.draw(n, draws)

    def pool(self, size_per_label, draws):
        """The same number of rows for each label, in the order of the labels.

        Returns:
            A tensor of rows. Where conditions are no labels, the pair of
            `size_per_label` rows and their conditions, drawn from the prior.
        """
        if self.condition is None:
            return self.rows(size_per_label, None, training=True, draws=draws)
        if self.num_classes is None:
            conditions = self.labels(size_per_label, draws)
            rows = self.rows(size_per_label, conditions, training=True, draws=draws)
            return rows, conditions
        labels = tf.repeat(tf.range(self.num_classes), size_per_label)
        n = self.num_classes * size_per_label
        return self.rows(n, labels, training=True, draws=draws)

    def probe_inputs(self, discriminator, rows):
        """Rows as a discriminator takes them, with random labels if it takes any."""
        if self.condition is None or not network_inputs.takes_condition(discriminator):
            return rows
        rng = np.random.default_rng(0)
        return [rows, self.condition.random(len(rows), rng)]

    def sample(self, n, labels=None, seed=None):
        """Draws rows as NumPy arrays; see `DPGAN.sample`."""
        validate.check_int("n", n, minimum=0)
        labels = self._sampler.check_conditions(labels, n)
        # Keras' own seeds come from there, too: `set_random_seed` fixes them.
        seed = random.randrange(2**63) if seed is None else sampler.check_seed(seed)
        drawn = [
            (self._infer(latents, conditions), conditions)
            for latents, conditions in self._sampler.batches(n, labels, seed)
        ]
        rows, conditions = zip(*drawn, strict=True)
        rows = np.concatenate(rows)
        return rows if self.condition is None else (rows, np.concatenate(conditions))

    def _infer(self, latents, conditions):
        rows = networks.call(self.generator, latents, conditions, training=False)
        return np.asarray(tf.cast(rows, tf.float32))
