"""Draws from an export, without the code that trained it."""

import collections.abc
import copy
import os
import pathlib
import secrets
import typing

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from keras_dpgan._utils import validate
from keras_dpgan.export.card import read_card
from keras_dpgan.sampling.conditions import LabelCondition
from keras_dpgan.sampling.conditions import VectorCondition
from keras_dpgan.sampling.sampler import Sampler
from keras_dpgan.sampling.sampler import check_seed

# The loaders of other kinds of exports, by the name of a file among their assets.
_LOADERS: dict[str, collections.abc.Callable] = {}


def register_loader(name: str, loader: collections.abc.Callable) -> None:
    """Registers a function with which `load` opens exports of another kind.

    Args:
        name: String, the name of a file among their assets.
        loader: Function of the folder's path and its checked card.
    """
    _LOADERS[name] = loader


class ExportedGenerator:
    """A generator that `DPGAN.export` wrote, with its privacy card.

    Examples:
        >>> gan = dpgan.DPGAN(
        ...     dpgan.models.vector_discriminator(2, hidden=(8,)),
        ...     dpgan.models.vector_generator(2, latent_dim=3, hidden=(8,)),
        ... )
        >>> _ = gan.export("export/generator")
        >>> generator = dpgan.export.load("export/generator")
        >>> generator.sample(100, seed=0).shape
        (100, 2)
        >>> generator.privacy_card()["private"]
        False

    Args:
        path: The folder of the export.

    Raises:
        FileNotFoundError: If there is no export.
        ValueError: If its card is damaged or belongs to another SavedModel.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._card = read_card(path)
        self._model = tf.saved_model.load(str(pathlib.Path(path)))
        facts = self._card["generator"]
        self._condition = self._condition_of(facts)
        self._sampler = Sampler(latent_shape(facts), self._condition)

    def _condition_of(self, facts):
        if facts["num_classes"] is not None:
            return LabelCondition(facts["num_classes"], facts["label_probabilities"])
        if "condition_shape" not in facts:
            return None
        prior = getattr(self._model, "condition_prior", None)
        return VectorCondition(
            facts["condition_shape"],
            facts["condition_dtype"],
            None if prior is None else prior().numpy(),
        )

    def privacy_card(self) -> dict:
        """The privacy card, a dict; see `read_card`."""
        return copy.deepcopy(self._card)

    def sample(
        self, n: int, labels: npt.ArrayLike | None = None, seed: int | None = None
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Draws rows, the same that `DPGAN.sample` draws from the same seed.

        Args:
            n: Non-negative int, the number of rows.
            labels: For a conditional generator, int array of shape `(n,)`, or one int
                for all rows; for other conditions array of shape `(n, d)`, or `(d,)`
                for all rows. Defaults to `None`: drawn from the public prior.
            seed: Non-negative int below 2**63, of any integer dtype, to repeat a
                draw. Defaults to `None`.

        Returns:
            A float32 array of shape `(n, ...)`; for a conditional generator the
            pair of it and the labels (int32, of shape `(n,)`) or conditions.

        Raises:
            ValueError: If an argument does not fit.
        """
        validate.check_int("n", n, minimum=0)
        chunks = list(self._checked_batches(n, labels, seed))
        if self._condition is None:
            return np.concatenate(chunks)
        rows, labels = zip(*chunks, strict=True)
        return np.concatenate(rows), np.concatenate(labels)

    def batches(
        self, n: int, labels: npt.ArrayLike | None = None, seed: int | None = None
    ) -> collections.abc.Iterator[typing.Any]:
        """Draws rows in chunks, so that any number of them fits in memory.

        Args:
            n: Positive int, the number of rows of all chunks together.
            labels: As in `sample`.
            seed: As in `sample`: the rows are the same.

        Returns:
            An iterator of what `sample` returns, for up to 1,024 rows each.

        Raises:
            ValueError: If an argument does not fit.
        """
        validate.check_int("n", n, minimum=1)
        return self._checked_batches(n, labels, seed)

    def _checked_batches(self, n, labels, seed):
        labels = self._sampler.check_conditions(labels, n)
        seed = secrets.randbits(63) if seed is None else check_seed(seed)
        return map(self._rows, self._sampler.batches(n, labels, seed))

    def _rows(self, drawn):
        latents, conditions = drawn
        if conditions is None:
            return np.asarray(self._model(latents))
        return np.asarray(self._model([latents, conditions])), np.asarray(conditions)


def latent_shape(facts):
    """The shape of one row's latents, from the entry `generator` of a card."""
    latent_dim = facts["latent_dim"]
    return tuple(latent_dim) if isinstance(latent_dim, list) else (latent_dim,)


def load(path: str | os.PathLike[str]) -> ExportedGenerator:
    """Opens an export.

    Args:
        path: The folder.

    Returns:
        An `ExportedGenerator`; for a table its generator, whose `sample` returns a
        `pandas.DataFrame`.

    Raises:
        FileNotFoundError: If there is no export.
        ValueError: If its card is damaged or belongs to another SavedModel.

    Examples:
        >>> gan = dpgan.DPGAN(
        ...     dpgan.models.vector_discriminator(2, hidden=(8,)),
        ...     dpgan.models.vector_generator(2, latent_dim=3, hidden=(8,)),
        ... )
        >>> _ = gan.export("export/generator")
        >>> dpgan.export.load("export/generator").sample(5).shape
        (5, 2)
    """
    for name, loader in _LOADERS.items():
        if (pathlib.Path(path) / "assets" / name).is_file():
            return loader(pathlib.Path(path), read_card(path))
    return ExportedGenerator(path)
