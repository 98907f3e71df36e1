"""A report on one sheet, as a PNG picture."""

import io

import numpy as np

from keras_dpgan.evaluation import figures
from keras_dpgan.evaluation import rows as row_checks
from keras_dpgan.evaluation import tables

_DOTS_PER_INCH = 110
_STATEMENT_LINES = 10


def draw(title, found, real_test, statement, history, label_names, pairs):
    """Draws samples, table, distances and curves side by side.

    Args:
        title: String.
        found: The `Evaluation`.
        real_test: Real test rows, for the columns of vectors.
        statement: String or `None`.
        history: Dict from name to a list per epoch, or `None`.
        label_names: List of strings, or `None`.
        pairs: Samples and the real rows nearest to them, to show them; or `None`.

    Returns:
        The bytes of a PNG file.
    """
    figure = figures.new_figure(13, 9)
    figure.suptitle(title, fontsize=15, weight="bold")
    left, right = figure.subfigures(1, 2, width_ratios=(1.15, 1))
    image = row_checks.is_image(found.samples.x)
    if image and pairs is not None:
        left, below = left.subfigures(2, 1, height_ratios=(4, 1))
        grid = figures.neighbour_pairs(pairs[0], pairs[1], found.pixel_range)
        _show(below, grid, "REAL RECORDS: nearest training rows")
    if image:
        grid = figures.image_grid(found.samples, found.pixel_range, label_names)
        _show(left, grid, "Samples")
    else:
        figures.plot_columns(left, found.samples.x, real_test)
    words, charts = right.subfigures(2, 1, height_ratios=(1.25, 1))
    _write_words(words, found.scores, statement)
    axes = charts.subplots(1, 2 if history else 1, squeeze=False)[0]
    figures.plot_distances(axes[0], found.memorization)
    if history:
        figures.plot_history(axes[1], history)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH)
    return buffer.getvalue()


def _show(figure, grid, title):
    axes = figure.subplots()
    axes.imshow(np.asarray(grid), interpolation="nearest")
    axes.set_axis_off()
    axes.set_title(title, fontsize=10)


def _write_words(figure, scores, statement):
    axes = figure.subplots()
    axes.set_axis_off()
    lines = [("", "samples", "real rows")]
    lines += [line[:3] for line in tables.metric_lines(scores)]
    words = [f"{name:<32}{samples:>10}{real:>12}" for name, samples, real in lines]
    words += [f"Memorization: {tables.verdict(scores)}.", ""]
    words += tables.wrapped(scores["warning"])
    if statement:
        shown = tables.wrapped(statement)
        cut = ["..."] if len(shown) > _STATEMENT_LINES else []
        words += ["", *shown[:_STATEMENT_LINES], *cut]
    axes.text(0, 1, "\n".join(words), va="top", family="monospace", fontsize=8)
