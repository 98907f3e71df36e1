"""The pictures of a report, drawn without a screen."""

import io

import numpy as np

from keras_dpgan.callbacks.grid import sample_grid

SAMPLE_COLOUR = "#2563eb"
REAL_COLOUR = "#9a6700"

_WIDTH, _HEIGHT = 6.0, 3.4
_MAX_COLUMNS = 12
_BINS = 25


def new_figure(width=_WIDTH, height=_HEIGHT):
    """An empty figure of matplotlib that opens no window and changes no global state.

    Args:
        width: Float, in inches.
        height: Float, in inches.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    try:
        from matplotlib import figure
    except ImportError as error:
        raise ImportError(
            "A report needs matplotlib and Pillow. Install them with "
            '`pip install "keras-dpgan[plots]"`.'
        ) from error
    return figure.Figure(figsize=(width, height), layout="constrained")


def to_svg(figure):
    """A figure as the bytes of an SVG file, the same for the same figure."""
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "keras_dpgan"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def image_grid(samples, pixel_range, label_names=None):
    """The grid of samples: a row for each label, or ten by ten without labels.

    Args:
        samples: Generated `Rows` of images with one or three channels.
        pixel_range: Pair of floats.
        label_names: List of strings. Defaults to `None`.

    Returns:
        A `PIL.Image.Image`.
    """
    if samples.y is None:
        return sample_grid(samples.x[:100], None, pixel_range)
    return sample_grid(samples.x, samples.y, pixel_range, label_names)


def neighbour_pairs(samples, neighbours, pixel_range):
    """Samples above their nearest training rows: a picture of real records.

    Args:
        samples: Images of shape `(n, height, width, channels)`.
        neighbours: As many real images.
        pixel_range: Pair of floats.

    Returns:
        A `PIL.Image.Image` with a row of samples and a row of real images.
    """
    images = np.concatenate([samples, neighbours])
    kinds = np.repeat([0, 1], len(samples))
    names = ["sample", "real"]
    return sample_grid(images, kinds, pixel_range, names, columns=len(samples))


def plot_distances(axes, memorization):
    """Draws, for each distance, the share of rows with a training row within it."""
    for distances, name, colour, line in (
        (memorization.sample_distances, "samples", SAMPLE_COLOUR, "-"),
        (memorization.test_distances, "real test rows", REAL_COLOUR, "--"),
    ):
        shares = np.arange(1, len(distances) + 1) / len(distances)
        axes.plot(np.sort(distances), shares, line, color=colour, label=name)
    axes.set(xlabel="distance to the nearest training row", ylabel="share of rows")
    _finish(axes, lower_left=True)


def plot_history(axes, history):
    """Draws the losses of training against epsilon, or against the epoch.

    Args:
        axes: Of matplotlib.
        history: Dict from name to a list with a number for each epoch.
    """
    against = "epsilon" if "epsilon" in history else "epoch"
    for key, colour, line in (
        ("g_loss", SAMPLE_COLOUR, "-"),
        ("d_loss_fake", REAL_COLOUR, "--"),
    ):
        if key in history:
            epochs = np.arange(1, len(history[key]) + 1)
            axes.plot(history.get(against, epochs), history[key], line, color=colour)
            axes.lines[-1].set_label(key)
    axes.set(xlabel=against, ylabel="loss on generated rows")
    _finish(axes)


def plot_columns(figure, samples, real):
    """Draws the histogram of each column of vectors, the first twelve of them."""
    num_columns = min(_MAX_COLUMNS, samples.shape[1])
    across = min(4, num_columns)
    all_axes = figure.subplots(-(-num_columns // across), across, squeeze=False)
    for column, axes in enumerate(all_axes.flat):
        if column >= num_columns:
            axes.set_visible(False)
            continue
        # Otherwise the tails of a set could squeeze most rows into one bin.
        both = np.concatenate([real[:, column], samples[:, column]])
        limits = np.quantile(both, [0.005, 0.995])
        for x, name, colour, line in (
            (samples, "samples", SAMPLE_COLOUR, "-"),
            (real, "real test rows", REAL_COLOUR, "--"),
        ):
            axes.hist(
                x[:, column],
                bins=_BINS,
                range=limits,
                density=True,
                histtype="step",
                color=colour,
                linestyle=line,
                label=name,
            )
        axes.set_title(f"column {column}", fontsize=9)
        axes.set_yticks([])
    all_axes.flat[0].legend(frameon=False, fontsize=7)


def _finish(axes, lower_left=False):
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    if lower_left:
        axes.set(xlim=(0, None), ylim=(0, 1.02))
    if axes.lines:
        axes.legend(frameon=False)
