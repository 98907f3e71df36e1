"""Images side by side, a row for each label."""

import collections.abc
import typing

import numpy as np
import numpy.typing as npt

from keras_dpgan._utils import validate
from keras_dpgan._utils.labels import check_labels
from keras_dpgan.data.scaling import to_uint8

if typing.TYPE_CHECKING:
    import PIL.Image

_PAPER = 255
_INK = 0
_GAP = 2
_SMALLEST_CELL = 32


def sample_grid(
    images: npt.ArrayLike,
    labels: npt.ArrayLike | None = None,
    pixel_range: collections.abc.Sequence[float] = (-1.0, 1.0),
    label_names: collections.abc.Sequence[str] | None = None,
    columns: int = 10,
) -> "PIL.Image.Image":
    """Draws images in a grid: a named row for each label, a column per sample.

    Small images are enlarged by a whole factor, so that each pixel stays a square.

    Examples:
        >>> import numpy as np
        >>> images = np.random.uniform(-1, 1, (20, 8, 8, 1)).astype("float32")
        >>> grid = dpgan.callbacks.sample_grid(images, labels=np.arange(20) % 10)
        >>> grid.save("grid.png")
        >>> np.asarray(grid).ndim
        3

    Args:
        images: Float array of shape `(n, height, width, channels)` with one or
            three channels.
        labels: Int array of shape `(n,)`. Defaults to `None`: rows are filled
            one after the other.
        pixel_range: Pair of floats, what black and white are in `images`.
            Defaults to `(-1.0, 1.0)`.
        label_names: List of strings, the name of each label. Defaults to `None`:
            the numbers.
        columns: Int, the largest number of images in a row. Further images of a label
            are left out. Defaults to 10.

    Returns:
        A `PIL.Image.Image`; `np.asarray` of it is a uint8 array of shape
        `(height, width, 3)`.

    Raises:
        ImportError: If Pillow is not installed.
        ValueError: If an argument is wrong; the message names it.
    """
    pillow = import_pillow()
    images = to_uint8(_check_images(images), pixel_range)
    validate.check_int("columns", columns, minimum=1)
    if labels is None:
        every = np.arange(len(images))
        rows = [every[i : i + columns] for i in range(0, len(images), columns)]
        names = [""] * len(rows)
    else:
        labels = _check_labels(labels, len(images), label_names)
        present = np.unique(labels)
        rows = [np.flatnonzero(labels == label)[:columns] for label in present]
        names = [str(n if label_names is None else label_names[n]) for n in present]
    cells = [[pillow.Image.fromarray(_rgb(images[i])) for i in row] for row in rows]
    return _draw(pillow, cells, names, _cell_size(images.shape[1:3]))


def import_pillow():
    """Pillow, with the parts of it that draw.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        import PIL
        import PIL.Image
        import PIL.ImageDraw
    except ImportError as error:
        raise ImportError(
            "Drawing samples needs Pillow. Install it with "
            '`pip install "keras-dpgan[plots]"`.'
        ) from error
    return PIL


def check_drawable(name, shape):
    """Raises unless `shape` is that of one image that can be drawn."""
    if len(shape) != 3 or shape[-1] not in (1, 3):
        raise ValueError(
            f"`{name}` must be images of shape (height, width, channels) with one or "
            f"three channels. Received: rows of shape {tuple(shape)}"
        )


def _check_images(images):
    images = np.asarray(images)
    check_drawable("images", images.shape[1:])
    if not images.size:
        raise ValueError(
            "`images` must hold at least one image. Received: images of shape "
            f"{images.shape}"
        )
    return images


def _check_labels(labels, n, label_names):
    labels = check_labels("labels", labels, n)
    if label_names is not None and labels.max() >= len(label_names):
        raise ValueError(
            "`label_names` must have a name for each label, at least "
            f"{labels.max() + 1}. Received: {len(label_names)} names"
        )
    return labels


def _rgb(image):
    return np.broadcast_to(image, (*image.shape[:2], 3)).copy()


def _cell_size(shape):
    """Width and height of a drawn image."""
    factor = max(1, -(-_SMALLEST_CELL // max(shape)))
    return factor * shape[1], factor * shape[0]


def _draw(pillow, cells, names, cell_size):
    width, height = cell_size
    font_size = max(12, min(18, height // 2))
    gutter = _gutter(pillow, names, font_size)
    across = max(len(row) for row in cells)
    canvas = pillow.Image.new(
        "RGB",
        (
            gutter + across * (width + _GAP) + _GAP,
            len(cells) * (height + _GAP) + _GAP,
        ),
        (_PAPER,) * 3,
    )
    pen = pillow.ImageDraw.Draw(canvas)
    for i, (row, name) in enumerate(zip(cells, names, strict=True)):
        top = _GAP + i * (height + _GAP)
        left, upper, right, lower = pen.textbbox((0, 0), name, font_size=font_size)
        pen.text(
            (gutter - (right - left) - 3 * _GAP, top + (height - lower - upper) // 2),
            name,
            fill=(_INK,) * 3,
            font_size=font_size,
        )
        for j, cell in enumerate(row):
            cell = cell.resize(cell_size, pillow.Image.Resampling.NEAREST)
            canvas.paste(cell, (gutter + _GAP + j * (width + _GAP), top))
    return canvas


def _gutter(pillow, names, font_size):
    """The width of the column of names: 0 where there are none."""
    pen = pillow.ImageDraw.Draw(pillow.Image.new("L", (1, 1)))
    widest = max(pen.textbbox((0, 0), n, font_size=font_size)[2] for n in names)
    return int(widest) + 5 * _GAP if widest else 0
