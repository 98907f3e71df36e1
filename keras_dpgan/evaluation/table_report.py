"""A report on a synthetic table: one page, a section for each column."""

import html
import json
import os
import pathlib
import typing

import numpy as np

from keras_dpgan._utils.files import complete_file
from keras_dpgan._utils.formats import Format
from keras_dpgan.evaluation import page
from keras_dpgan.evaluation import table_scores
from keras_dpgan.tables import columns as column_kinds
from keras_dpgan.tables.schema import TableSchema

if typing.TYPE_CHECKING:
    import pandas as pd

_FORMAT = Format("table_report", version=1, required=())
_WIDTH, _HEIGHT = 640, 160
_COLOURS = {"synthetic": "#1f77b4", "real": "#b0b7bf"}
# More bars than this cannot be told apart, more columns make a map of no use.
_MOST_BARS = 60
_MOST_COLUMNS = 60
_MOST_PAIRS = 20
_PREDICTIONS = {"auc": "AUC", "accuracy": "Accuracy", "r2": "R2"}


def report_table(
    synthetic: "pd.DataFrame",
    train: "pd.DataFrame",
    test: "pd.DataFrame",
    schema: TableSchema,
    path: str | os.PathLike[str],
    target: str | None = None,
    statement: typing.Any = None,
    title: str = "A synthetic table, measured against real rows",
    seed: int = 0,
) -> dict:
    """Compares a synthetic table with real rows and writes a report of it.

    Two files are made: `report.html`, a page that needs nothing else, with the scores,
    a map of all pairs of columns, and for each column its shares beside the real ones;
    and `report.json`, every number. They are computed from private rows: they are not
    private, and say so.

    Examples:
        >>> import pandas as pd
        >>> schema = dpgan.tables.TableSchema(
        ...     {
        ...         "smoker": dpgan.tables.Boolean(),
        ...         "age": dpgan.tables.Numeric(0, 100, bins=4, integer=True),
        ...     }
        ... )
        >>> ages = list(range(20, 80))
        >>> rows = pd.DataFrame({"smoker": [a < 50 for a in ages], "age": ages})
        >>> scores = dpgan.evaluation.report_table(
        ...     rows, train=rows, test=rows, schema=schema, path="report"
        ... )
        >>> import os
        >>> sorted(os.listdir("report"))
        ['report.html', 'report.json']

    Args:
        synthetic: A `pandas.DataFrame`.
        train: A `pandas.DataFrame`, the private rows.
        test: A `pandas.DataFrame` of further real rows.
        schema: The `tables.TableSchema` of all.
        path: The folder for the files, made if it is not there.
        target: Name of a column to predict. Defaults to `None`: none.
        statement: The privacy statement of the generator, a string or what `str`
            makes one of. Defaults to `None`: the page warns that there is none.
        title: String. Defaults to a general one.
        seed: Int. Defaults to 0.

    Returns:
        The dict of `evaluate_table`, with `"columns"` (the total variation of each)
        and `"pairs"` (that of each pair, from most to least).

    Raises:
        ValueError: As `evaluate_table`.
    """
    scores = table_scores.evaluate_table(synthetic, train, test, schema, target, seed)
    names = schema.names
    scores["columns"] = {
        names[a]: distance
        for (a,), distance in table_scores.distances_of_sets(
            synthetic, train, schema, 1
        )
    }
    pairs = []
    if len(names) > 1:
        pairs = list(table_scores.distances_of_sets(synthetic, train, schema, 2))
    scores["pairs"] = [
        [names[a], names[b], distance]
        for (a, b), distance in sorted(pairs, key=lambda pair: -pair[1])
    ]
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f'<p class="warning">{html.escape(scores["warning"])}</p>',
        "<h2>Privacy of the generator</h2>",
        page.privacy_of(None if statement is None else str(statement)),
        "<h2>Quality</h2>",
        page.plain_table(("", "Synthetic rows", "Real test rows"), _quality(scores)),
        "<h2>Nearness to private rows</h2>",
        _nearness(scores),
        "<h2>Pairs of columns</h2>",
        _map(names, pairs),
        _worst(scores["pairs"]),
        *_columns(synthetic, train, schema, scores["columns"]),
    ]
    text = json.dumps(_FORMAT.write(title=title, **scores), indent=2, allow_nan=False)
    folder = pathlib.Path(path)
    for name, content in (
        ("report.html", page.document(title, parts)),
        ("report.json", text + "\n"),
    ):
        with complete_file(folder / name) as beside:
            beside.write_text(content, "utf-8")
    return scores


def _quality(scores):
    names = {
        "total_variation_1": "Total variation of single columns (0 at best)",
        "total_variation_2": "The same of pairs",
        "total_variation_3": "The same of triples",
        "associations": "Difference of associations (0 at best)",
        "coverage": "Values of the private rows that there are, too",
        "constraint_violations": "Rows that break a constraint",
    }
    for key, name in names.items():
        if key in scores:
            yield name, *(f"{scores[key][side]:.4f}" for side in ("synthetic", "real"))
    if "prediction" in scores:
        both = [scores["prediction"][side] for side in ("synthetic", "real")]
        for kind, learner in (("boosting", "boosting"), ("linear", "a linear model")):
            for score in both[0][kind]:
                name = f"{_PREDICTIONS[score]} of {learner} that was trained on them"
                yield name, *(f"{of[kind][score]:.3f}" for of in both)


def _nearness(scores):
    distance = scores["distance"]
    names = {
        "median": "Median distance to the nearest private row",
        "lowest_hundredth": "The same of the nearest hundredth",
        "identical": "Identical to a private row (share)",
    }
    lines = [
        (name, *(f"{distance[side][key]:.4f}" for side in ("synthetic", "real")))
        for key, name in names.items()
    ]
    text = page.plain_table(("", "Synthetic rows", "Real test rows"), lines)
    found = scores["membership"]
    if found is None:
        return text
    verdict = "MEMBERS WERE TOLD" if found["inferred"] else "Members were not told"
    low, high = found["auc_interval"]
    return (
        f"{text}<p><b>{verdict}</b> from other real rows by their distance to the "
        f"nearest synthetic row: AUC {found['auc']:.3f} ({low:.3f} to {high:.3f}, 0.5 "
        "is chance). That one attack finds nothing is no proof of privacy: only the "
        "statement above is.</p>"
    )


def _map(names, pairs):
    """A square for each pair of columns, the darker the larger their distance."""
    shown = min(len(names), _MOST_COLUMNS)
    if shown < 2:
        return ""
    side = max(8, min(28, _WIDTH // shown))
    largest = max((d for (_, b), d in pairs if b < shown), default=0.0) or 1.0
    squares = []
    for (a, b), distance in pairs:
        if b >= shown:
            continue
        text = html.escape(f"{names[a]} and {names[b]}: {distance:.4f}")
        for x, y in ((a, b), (b, a)):
            squares.append(
                f'<rect x="{x * side}" y="{y * side}" width="{side}" height="{side}" '
                f'fill="#cf222e" fill-opacity="{distance / largest:.3f}">'
                f"<title>{text}</title></rect>"
            )
    left_out = ""
    if shown < len(names):
        left_out = f" The first {shown} of {len(names)} columns are shown."
    size = shown * side
    return (
        f'<figure><div class="scroll"><svg width="{size}" height="{size}" role="img" '
        f'aria-label="Distances of pairs of columns">{"".join(squares)}</svg></div>'
        "<figcaption>Total variation of each pair of columns to the private rows; the "
        f"darkest is {largest:.4f}. Point at a square for its columns.{left_out}"
        "</figcaption></figure>"
    )


def _worst(pairs):
    if not pairs:
        return ""
    lines = [(f"{a} and {b}", f"{d:.4f}") for a, b, d in pairs[:_MOST_PAIRS]]
    return page.plain_table(("Pairs that differ most", "Total variation"), lines)


def _columns(synthetic, train, schema, distances):
    """A section for each column: its name, its distance and its shares."""
    for name, column in schema.columns.items():
        shares = {}
        for side, frame in (("synthetic", synthetic), ("real", train)):
            cells = column.encode(frame[name])
            known = cells[cells != column_kinds.NOWHERE]
            counts = np.bincount(known, minlength=column.num_cells)
            shares[side] = counts / max(len(cells), 1)
        yield (
            f"<h2>{html.escape(name)}</h2><p>Total variation to the private rows: "
            f"{distances[name]:.4f}</p>{_bars(shares, column.cell_names())}"
        )


def _bars(shares, names):
    """Shares of cells side by side, those with most real rows where there are many."""
    order = np.arange(len(names))
    if len(names) > _MOST_BARS:
        order = np.sort(np.argsort(-shares["real"], kind="stable")[:_MOST_BARS])
    highest = max(float(share[order].max()) for share in shares.values()) or 1.0
    step = _WIDTH / len(order)
    bars = []
    for place, cell in enumerate(order):
        for number, side in enumerate(_COLOURS):
            height = _HEIGHT * shares[side][cell] / highest
            text = html.escape(f"{names[cell]}: {shares[side][cell]:.4f} ({side})")
            bars.append(
                f'<rect x="{(place + 0.1 + 0.4 * number) * step:.1f}" '
                f'y="{_HEIGHT - height:.1f}" width="{0.4 * step:.1f}" '
                f'height="{height:.1f}" fill="{_COLOURS[side]}">'
                f"<title>{text}</title></rect>"
            )
    most = "" if len(order) == len(names) else f" The {len(order)} most frequent cells."
    return (
        f'<figure><div class="scroll"><svg width="{_WIDTH}" height="{_HEIGHT}" '
        f'role="img" aria-label="Shares of cells">{"".join(bars)}</svg></div>'
        "<figcaption>Shares of rows: synthetic in blue, private in gray, from "
        f"{html.escape(names[order[0]])} to {html.escape(names[order[-1]])}.{most} "
        "Point at a bar for its value.</figcaption></figure>"
    )
