"""One page, one picture and one file of numbers about a generator."""

import collections.abc
import io
import json
import os
import pathlib
import typing

import numpy as np

from keras_dpgan._utils import validate
from keras_dpgan._utils.files import complete_file
from keras_dpgan._utils.formats import Format
from keras_dpgan.callbacks.grid import check_drawable
from keras_dpgan.evaluation import figures
from keras_dpgan.evaluation import page
from keras_dpgan.evaluation import rows as row_checks
from keras_dpgan.evaluation import samples as sample_sources
from keras_dpgan.evaluation import sheet
from keras_dpgan.evaluation.scores import evaluate

_NUM_NEIGHBOURS = 10

# The scores depend on what the caller asked for.
_FORMAT = Format("evaluation_report", version=2, required=())


def report(
    generator: typing.Any,
    real: typing.Any,
    real_test: typing.Any,
    path: str | os.PathLike[str],
    statement: typing.Any = None,
    history: typing.Any = None,
    label_names: collections.abc.Sequence[str] | None = None,
    include_real_records: bool = False,
    title: str = "Generated data, measured against real data",
    **evaluate_arguments: typing.Any,
) -> dict:
    """Evaluates generated rows and writes a report that anyone can open.

    It writes three files: `report.html`, a page that needs no other file; `report.png`,
    the same on one sheet; and `report.json`, with every number. The files say that the
    numbers are not private, because they were computed on real rows.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(60, 4)).astype("float32"), np.arange(60) % 3
        >>> scores = dpgan.evaluation.report(
        ...     x[:20], x[20:40], x[40:], path="report", statement="No privacy."
        ... )
        >>> import os
        >>> sorted(os.listdir("report"))
        ['report.html', 'report.json', 'report.png']

    Args:
        generator: As in `evaluate`.
        real: As in `evaluate`.
        real_test: As in `evaluate`.
        path: The folder for the files, created if it does not exist.
        statement: The privacy statement, as a string or an object that `str` turns
            into one. Defaults to `None`: the generator's own statement, if it is a
            `DPGAN` or an export.
        history: The result of `fit`, or its dict of lists, for the curves of training.
            Defaults to `None`.
        label_names: List of strings, the name of each label. Defaults to `None`.
        include_real_records: Whether to show real training rows next to the samples
            that come nearest to them. Defaults to `False`.
        title: String. Defaults to a general one.
        **evaluate_arguments: Further arguments of `evaluate`.

    Returns:
        The dict in `report.json`.

    Raises:
        ValueError: As `evaluate`; or if images have other than one or three
            channels.
        ImportError: If matplotlib or Pillow is missing.
    """
    validate.check_bool("include_real_records", include_real_records)
    history = _as_dict(history)
    real_x, real_y = row_checks.rows_and_labels("real", real)
    real_test_x = row_checks.rows_and_labels("real_test", real_test).x
    # Rows that cannot be drawn raise an error now, and not after minutes of work.
    figures.new_figure()
    _check_drawable(real_x, real_y, label_names)
    if isinstance(generator, str | os.PathLike):
        generator = sample_sources.open_path(generator)
    statement = _statement(generator) if statement is None else str(statement)
    found = evaluate(generator, real, real_test, **evaluate_arguments)
    pairs = _nearest_pairs(found, np.asarray(real_x)) if include_real_records else None
    scores = _FORMAT.write(
        title=title,
        **found.scores,
        includes_real_records=include_real_records,
        statement=statement,
        history=history,
    )
    pictures = _pictures(found, real_test_x, history, label_names, pairs)
    html = page.render(title, found.scores, statement, pictures, label_names)
    png = sheet.draw(title, found, real_test_x, statement, history, label_names, pairs)
    folder = pathlib.Path(path)
    numbers = json.dumps(scores, indent=2, allow_nan=False) + "\n"
    _write(folder / "report.json", numbers.encode())
    _write(folder / "report.html", html.encode())
    _write(folder / "report.png", png)
    return scores


def _check_drawable(real_x, real_y, label_names):
    if np.ndim(real_x) == 4:
        check_drawable("real", np.shape(real_x)[1:])
    if label_names is None or real_y is None:
        return
    if len(label_names) <= np.max(real_y):
        raise ValueError(
            "`label_names` must have a name for each label, at least "
            f"{np.max(real_y) + 1}. Received: {len(label_names)} names"
        )


def _as_dict(history):
    if history is None:
        return None
    history = getattr(history, "history", history)
    return {
        key: [float(v) if np.isfinite(v) else None for v in values]
        for key, values in history.items()
    }


def _statement(generator):
    if hasattr(generator, "privacy_statement"):
        return str(generator.privacy_statement())
    if hasattr(generator, "privacy_card"):
        return generator.privacy_card()["summary"]
    return None


def _nearest_pairs(found, real):
    """The samples that come nearest to training rows, and those rows."""
    nearest = found.memorization.sample_distances.argsort()[:_NUM_NEIGHBOURS]
    return found.samples.x[nearest], real[found.memorization.neighbors[nearest]]


def _pictures(found, real_test, history, label_names, pairs):
    pictures = {"samples": _samples_picture(found, real_test, label_names)}
    distances = figures.new_figure()
    figures.plot_distances(distances.subplots(), found.memorization)
    pictures["distances"] = page.picture(
        figures.to_svg(distances),
        "svg+xml",
        "How near rows come to training rows. A curve of samples far above that of "
        "real test rows, at small distances, means copies.",
    )
    if history:
        curves = figures.new_figure()
        figures.plot_history(curves.subplots(), history)
        pictures["history"] = page.picture(
            figures.to_svg(curves), "svg+xml", "Losses on generated rows."
        )
    if pairs is not None:
        pictures["neighbours"] = _neighbours_picture(found, pairs)
    return pictures


def _samples_picture(found, real_test, label_names):
    if row_checks.is_image(found.samples.x):
        grid = figures.image_grid(found.samples, found.pixel_range, label_names)
        return page.picture(
            _png(grid), "png", "Samples, as drawn: none was chosen.", pixels=True
        )
    figure = figures.new_figure(9, 5)
    figures.plot_columns(figure, found.samples.x, real_test)
    return page.picture(
        figures.to_svg(figure),
        "svg+xml",
        "Columns of samples and of real test rows.",
        wide=True,
    )


def _neighbours_picture(found, pairs):
    samples, real = pairs
    caption = (
        "REAL RECORDS: samples that come nearest to training rows, and those training "
        "rows. Do not publish this page."
    )
    if row_checks.is_image(samples):
        grid = figures.neighbour_pairs(samples, real, found.pixel_range)
        return page.picture(_png(grid), "png", caption, pixels=True)
    return page.vectors_side_by_side(samples, real, caption)


def _png(image):
    buffer = io.BytesIO()
    image.save(buffer, format="png")
    return buffer.getvalue()


def _write(path, data):
    with complete_file(path) as beside:
        beside.write_bytes(data)
