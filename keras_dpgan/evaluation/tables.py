"""The numbers of a report as rows of text, for the page and the sheet."""

import textwrap
import typing

_LINE_LENGTH = 80


class Line(typing.NamedTuple):
    """One line of a table: a metric's name, its two values and its meaning."""

    name: str
    samples: str
    real: str
    meaning: str


_CLASSIFIERS = {
    "cnn": "CNN",
    "mlp": "MLP",
    "logistic_regression": "logistic regression",
}

# Of each metric its key, its name, whether it is a share, and its meaning.
_METRICS = (
    ("frechet_distance", "Fréchet distance", False, "Lower is better; 0 at best."),
    (
        "frechet_distance_infinity",
        "Fréchet distance, extrapolated",
        False,
        "The same for infinitely many samples (Chong and Forsyth 2020).",
    ),
    ("precision", "Precision", True, "Samples that lie among real rows."),
    ("recall", "Recall", True, "Real rows that lie among samples."),
    ("density", "Density", False, "How densely real rows surround samples."),
    ("coverage", "Coverage", True, "Real neighborhoods that contain a sample."),
    (
        "label_accuracy",
        "Label accuracy",
        True,
        "Samples that a classifier trained on real rows assigns to their label.",
    ),
    (
        "within_class_diversity",
        "Diversity within a class",
        False,
        "Spread of samples within a class, divided by that of real rows.",
    ),
)


def metric_lines(scores):
    """The lines of the main table.

    Args:
        scores: The dict of `evaluate`.

    Returns:
        List of `Line`.
    """
    lines = [
        _line(
            f"Accuracy, {_CLASSIFIERS[name]}",
            values,
            share=True,
            meaning="Trained only on this column's rows, tested on real test rows.",
        )
        for name, values in scores["accuracy"].items()
    ]
    for key, name, share, meaning in _METRICS:
        if scores[key] is not None:
            lines.append(_line(name, scores[key], share, meaning))
    return lines


def class_lines(scores, label_names=None):
    """The lines of the table of classes: name, label accuracy, diversity.

    Args:
        scores: The dict of `evaluate`.
        label_names: List of strings. Defaults to `None`: the numbers.

    Returns:
        List of tuples of three strings; empty without labels.
    """
    if scores["label_accuracy"] is None:
        return []
    spread = scores["within_class_diversity"]["per_class"]
    return [
        (
            label if label_names is None else label_names[int(label)],
            percent(accuracy),
            f"{spread[label]:.2f}" if label in spread else "–",
        )
        for label, accuracy in scores["label_accuracy"]["per_class"].items()
    ]


def copy_lines(scores):
    """The lines of the table about copies of training rows.

    Args:
        scores: The dict of `evaluate`.

    Returns:
        List of tuples of three strings: what, of samples, of real test rows.
    """
    found = scores["memorisation"]
    medians = {k: v["0.5"] for k, v in found["distance_quantiles"].items()}
    nearest = {k: v["0.01"] for k, v in found["distance_quantiles"].items()}
    copied = found["copied_share"]
    return [
        ("Identical to a training row", str(found["identical_samples"]), ""),
        (
            "Much nearer to one training row than to all others",
            percent(copied["samples"], 2),
            percent(copied["real_test"], 2),
        ),
        ("Nearer to a training than to a test row", percent(found["train_share"]), ""),
        (
            "Median distance to the nearest training row",
            number(medians["samples"]),
            number(medians["real_test"]),
        ),
        (
            "1% quantile of that distance",
            number(nearest["samples"]),
            number(nearest["real_test"]),
        ),
    ]


def verdict(scores):
    """The verdict on copies, in a few words."""
    if scores["memorisation"]["memorised"]:
        return "Training rows were copied"
    return "No copies found"


def wrapped(text):
    """The lines of a text, those longer than 80 characters cut in several."""
    return [
        part
        for line in text.splitlines()
        for part in textwrap.wrap(line, _LINE_LENGTH) or [""]
    ]


def percent(share, digits=1):
    """A share as text."""
    return f"{100 * share:.{digits}f}%"


def number(value):
    """A number as text, with three significant digits or two decimals."""
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"


def _line(name, values, share, meaning):
    show = percent if share else number
    real = "–" if values["real"] is None else show(values["real"])
    return Line(name, show(values["samples"]), real, meaning)
