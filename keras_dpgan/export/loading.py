"""Drawing from an export, without the code that trained it."""

import copy
import pathlib

import numpy as np
import tensorflow as tf

from keras_dpgan import _validate
from keras_dpgan.export.card import read_card

_CHUNK = 1024
_MAX_SEED = 2**63


class ExportedGenerator:
    """A generator that `DPGAN.export` wrote, with its privacy card.

    ```python
    generator = dpgan.export.load("export/generator")
    x, y = generator.sample(1000, seed=0)
    print(generator.privacy_card()["guarantee"]["epsilon"])
    ```

    Args:
        path: The folder of the export.

    Raises:
        FileNotFoundError: If there is no export.
        ValueError: If its card is damaged or belongs to another SavedModel.
    """

    def __init__(self, path) -> None:
        self._card = read_card(path)
        self._num_classes = self._card["generator"]["num_classes"]
        self._model = tf.saved_model.load(str(pathlib.Path(path)))

    def privacy_card(self) -> dict:
        """The privacy card, a dict; see `read_card`."""
        return copy.deepcopy(self._card)

    def sample(
        self, n, labels=None, seed=None
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Draws rows, as `DPGAN.sample` does.

        Args:
            n: Non-negative int, the number of rows.
            labels: For a conditional generator, int array of shape `(n,)`, or one
                int for all. Defaults to `None`: drawn from the public prior.
            seed: Non-negative int, to repeat a draw. Defaults to `None`.

        Returns:
            A float32 array of shape `(n, ...)`; for a conditional generator the
            pair of it and the int32 labels of shape `(n,)`.

        Raises:
            ValueError: If an argument does not fit.
        """
        _validate.check_int("n", n, minimum=0)
        if n == 0:
            chunks = [self._draw(0, None, None)]
        else:
            chunks = list(self.batches(n, labels, seed))
        if self._num_classes is None:
            return np.concatenate(chunks)
        rows, labels = zip(*chunks, strict=True)
        return np.concatenate(rows), np.concatenate(labels)

    def batches(self, n, labels=None, seed=None):
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
        _validate.check_int("n", n, minimum=1)
        labels = self._check_labels(labels, n)
        if seed is not None:
            _validate.check_int("seed", seed, minimum=0, maximum=_MAX_SEED - 1)
        return self._batches(n, labels, seed)

    def _batches(self, n, labels, seed):
        for i in range(0, n, _CHUNK):
            chunk_labels = None if labels is None else labels[i : i + _CHUNK]
            yield self._draw(min(_CHUNK, n - i), chunk_labels, _chunk_seed(seed, i))

    def _draw(self, n, labels, seed):
        # As tensors: each new Python number would be traced.
        drawn = self._model.sample(
            tf.constant(n, tf.int32),
            None if labels is None else tf.constant(labels, tf.int32),
            seed=None if seed is None else tf.constant(seed, tf.int64),
        )
        return tf.nest.map_structure(np.asarray, drawn)

    def _check_labels(self, labels, n):
        if labels is None:
            return None
        if self._num_classes is None:
            raise ValueError(
                "`labels` must be None: the generator is not conditional. Received: "
                f"labels={labels!r:.80}"
            )
        labels = np.asarray(labels)
        if labels.shape not in ((), (n,)) or labels.dtype.kind not in "iu":
            raise ValueError(
                f"`labels` must be ints of shape ({n},), or one int. Received: "
                f"labels of shape {labels.shape} and dtype {labels.dtype}"
            )
        if labels.min() < 0 or labels.max() >= self._num_classes:
            raise ValueError(
                f"`labels` must be in [0, {self._num_classes}). Received: labels from "
                f"{labels.min()} to {labels.max()}"
            )
        return np.broadcast_to(labels, (n,))


def _chunk_seed(seed, start):
    """The seed of a chunk: the first one's is that of the whole draw."""
    if seed is None or start == 0:
        return seed
    words = np.random.SeedSequence((seed, start)).generate_state(1, np.uint64)
    return int(words[0]) % _MAX_SEED


def load(path) -> ExportedGenerator:
    """Opens an export; see `ExportedGenerator`."""
    return ExportedGenerator(path)
