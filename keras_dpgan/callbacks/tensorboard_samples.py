"""Samples and the privacy statement, in TensorBoard."""

import importlib.util
import os
import pathlib
import typing

import keras
import numpy as np
import tensorflow as tf

from keras_dpgan._utils import validate


class TensorBoardSamples(keras.callbacks.Callback):
    """Writes the privacy statement and an embedding of samples for TensorBoard.

    At the end of training the tab "Text" shows `gan.privacy_statement()`, and the tab
    "Projector" shows generated rows as points, colored by their labels. Neither costs
    privacy, because both depend only on the public generator and the history. Scalars
    are written by `keras.callbacks.TensorBoard`, and grids of images by
    `SampleLogger(log_dir=...)`.

    Examples:
        >>> import numpy as np

        >>> gan = dpgan.DPGAN(
        ...     dpgan.models.vector_discriminator(2, hidden=(8,)),
        ...     dpgan.models.vector_generator(2, latent_dim=3, hidden=(8,)),
        ... )
        >>> gan.compile(
        ...     d_optimizer=dpgan.optimizers.DPKerasSGDOptimizer(
        ...         l2_norm_clip=1.0, noise_multiplier=1.0, learning_rate=0.1
        ...     ),
        ...     g_optimizer="adam",
        ... )
        >>> x = np.random.normal(size=(100, 2)).astype("float32")
        >>> history = gan.fit(
        ...     x, batch_size=50, verbose=0,
        ...     callbacks=[dpgan.callbacks.TensorBoardSamples("logs", num_samples=20)],
        ... )

    Args:
        log_dir: Folder for TensorBoard, created if it does not exist.
        num_samples: Positive int, the number of points. Defaults to 500.
        seed: Non-negative int, from which the latents are drawn. Defaults to 0.

    Raises:
        ImportError: If TensorBoard is not installed.
        ValueError: If an argument is wrong.
    """

    def __init__(
        self, log_dir: str | os.PathLike[str], num_samples: int = 500, seed: int = 0
    ) -> None:
        super().__init__()
        check_tensorboard("TensorBoardSamples")
        self.log_dir = pathlib.Path(log_dir)
        self.num_samples = validate.check_int("num_samples", num_samples, minimum=1)
        self.seed = validate.check_int("seed", seed, minimum=0)

    def on_train_end(self, logs: dict[str, typing.Any] | None = None) -> None:
        self.log_dir.mkdir(parents=True, exist_ok=True)
        self._write_statement()
        self._write_embedding()

    def _write_statement(self):
        # Markdown shows indented text without changing its layout.
        lines = str(self.model.privacy_statement()).splitlines()
        text = "\n".join(f"    {line}" for line in lines)
        with tf.summary.create_file_writer(str(self.log_dir)).as_default():
            tf.summary.text(
                "privacy_statement", text, step=self.model.num_discriminator_updates
            )

    def _write_embedding(self):
        from tensorboard.plugins import projector

        drawn = self.model.sample(self.num_samples, seed=self.seed)
        rows, labels = drawn if isinstance(drawn, tuple) else (drawn, None)
        rows = np.reshape(rows, (self.num_samples, -1))
        np.savetxt(self.log_dir / "samples.tsv", rows, "%.6g", delimiter="\t")
        config = projector.ProjectorConfig()
        embedding = config.embeddings.add()
        embedding.tensor_name = "samples"
        embedding.tensor_path = "samples.tsv"
        if labels is not None and labels.ndim == 1:
            np.savetxt(self.log_dir / "labels.tsv", np.asarray(labels), "%d")
            embedding.metadata_path = "labels.tsv"
        projector.visualize_embeddings(str(self.log_dir), config)


def check_tensorboard(caller):
    """Raises `ImportError` unless TensorBoard is installed.

    Args:
        caller: String, what needs it.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise ImportError(
            f"{caller} needs TensorBoard. Install it with "
            '`pip install "keras-dpgan[tensorboard]"`.'
        )
