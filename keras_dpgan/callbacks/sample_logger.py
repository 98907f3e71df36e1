"""Pictures of generated images after each epoch."""

import collections.abc
import os
import pathlib
import typing

import keras
import numpy as np
import tensorflow as tf

from keras_dpgan._utils import validate
from keras_dpgan._utils.files import complete_file
from keras_dpgan.callbacks.grid import check_drawable
from keras_dpgan.callbacks.grid import import_pillow
from keras_dpgan.callbacks.grid import sample_grid
from keras_dpgan.callbacks.tensorboard_samples import check_tensorboard
from keras_dpgan.data.sample_files import rows_and_labels
from keras_dpgan.data.scaling import check_pixel_range
from keras_dpgan.models.output_range import output_range

_MOST_FRAMES = 100
_FRAME_MILLISECONDS = 120
_LAST_FRAME_MILLISECONDS = 2000


class SampleLogger(keras.callbacks.Callback):
    """Draws generated images after each epoch, from the same latents each time.

    `directory` receives `epoch-0001.png` and so on, each with a row per label. At the
    end of training it receives `training.gif`, an animation of these pictures. No
    screen is needed. The pictures depend only on the generator and on public latents,
    so they cost no privacy.

    Examples:
        >>> import numpy as np
        >>> x = np.random.uniform(-1, 1, (40, 8, 8, 1)).astype("float32")
        >>> gan = dpgan.DPGAN(
        ...     dpgan.models.image_discriminator((8, 8, 1), width=4),
        ...     dpgan.models.image_generator((8, 8, 1), latent_dim=16, width=4),
        ... )
        >>> gan.compile(
        ...     d_optimizer=dpgan.optimizers.DPKerasSGDOptimizer(
        ...         l2_norm_clip=1.0, noise_multiplier=1.0, learning_rate=0.1
        ...     ),
        ...     g_optimizer="adam",
        ... )
        >>> history = gan.fit(
        ...     x, batch_size=20, verbose=0,
        ...     callbacks=[dpgan.callbacks.SampleLogger("samples")],
        ... )
        >>> import os
        >>> sorted(os.listdir("samples"))
        ['epoch-0001.png', 'training.gif']

    Args:
        directory: Folder for the files, created if it does not exist.
        samples_per_label: Int, the columns of the grid; without labels the grid
            is square. Defaults to 10.
        label_names: List of strings, the name of each label. Defaults to `None`:
            the numbers.
        pixel_range: Pair of floats, what black and white are. Defaults to
            `None`: determined from the generator's last activation.
        seed: Non-negative int, from which the latents are drawn. Defaults to 0.
        log_dir: Folder for TensorBoard, if the pictures are to be shown there, too.
            Defaults to `None`.

    Raises:
        ImportError: If Pillow is not installed or, with `log_dir`, TensorBoard.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        samples_per_label: int = 10,
        label_names: collections.abc.Sequence[str] | None = None,
        pixel_range: collections.abc.Sequence[float] | None = None,
        seed: int = 0,
        log_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        import_pillow()
        if log_dir is not None:
            check_tensorboard("`log_dir` of `SampleLogger`")
        if pixel_range is not None:
            check_pixel_range(pixel_range)
        self.directory = pathlib.Path(directory)
        self.samples_per_label = validate.check_int(
            "samples_per_label", samples_per_label, minimum=1
        )
        self.label_names = label_names
        self.pixel_range = pixel_range
        self.seed = validate.check_int("seed", seed, minimum=0)
        self.log_dir = log_dir
        self._writer: typing.Any = None
        self._last_epoch: typing.Any = None

    def on_train_begin(self, logs: dict[str, typing.Any] | None = None) -> None:
        check_drawable("The rows of the model", self.model.row_shape)
        self._range()
        self._check_label_names()
        self._last_epoch = None

    def on_epoch_end(
        self, epoch: int, logs: dict[str, typing.Any] | None = None
    ) -> None:
        grid = self._grid()
        with complete_file(self._path(epoch)) as path:
            grid.save(path)
        self._last_epoch = epoch
        if self.log_dir is not None:
            self._write_summary(np.asarray(grid), epoch)

    def on_train_end(self, logs: dict[str, typing.Any] | None = None) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._last_epoch is not None:
            self._write_animation()

    def _grid(self):
        """The grid of the generator as it is now."""
        per_label = self.samples_per_label
        if self.model.num_classes is None:
            drawn = self.model.sample(per_label**2, seed=self.seed)
            # The grid cannot show conditions other than labels.
            images, labels = rows_and_labels(drawn)[0], None
        else:
            labels = np.repeat(np.arange(self.model.num_classes), per_label)
            images, labels = self.model.sample(len(labels), labels, seed=self.seed)
        return sample_grid(images, labels, self._range(), self.label_names, per_label)

    def _range(self):
        if self.pixel_range is not None:
            return self.pixel_range
        found = output_range(self.model.generator)
        if found is None:
            raise ValueError(
                "`pixel_range` of `SampleLogger` cannot be determined from the "
                "generator, because its last activation is neither tanh nor a sigmoid. "
                "Give the range, for example `pixel_range=(-1.0, 1.0)`."
            )
        return found

    def _check_label_names(self):
        classes = self.model.num_classes
        if self.label_names is not None and len(self.label_names) != classes:
            raise ValueError(
                f"`label_names` must have one name for each label, num_classes="
                f"{classes}. Received: {len(self.label_names)} names"
            )

    def _path(self, epoch):
        return self.directory / f"epoch-{epoch + 1:04d}.png"

    def _write_summary(self, grid, epoch):
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self.log_dir))
        with self._writer.as_default():
            tf.summary.image("samples", grid[None], step=epoch)

    def _write_animation(self):
        """One GIF of all epochs, including those before a run was resumed."""
        import PIL.Image

        paths = [self._path(epoch) for epoch in range(self._last_epoch + 1)]
        paths = _thinned([path for path in paths if path.is_file()])
        frames = []
        for path in paths:
            with PIL.Image.open(path) as image:
                frames.append(image.convert("P", palette=PIL.Image.Palette.ADAPTIVE))
        durations = [_FRAME_MILLISECONDS] * len(frames)
        durations[-1] = _LAST_FRAME_MILLISECONDS
        with complete_file(self.directory / "training.gif") as path:
            frames[0].save(
                path,
                save_all=True,
                append_images=frames[1:],
                duration=durations,
                loop=0,
            )


def _thinned(paths):
    """At most `_MOST_FRAMES` paths, evenly spread, with the first and the last."""
    if len(paths) <= _MOST_FRAMES:
        return paths
    return [paths[i] for i in np.linspace(0, len(paths) - 1, _MOST_FRAMES).astype(int)]
