"""The one check of labels: an int for each row, within the number of classes."""

import numpy as np


def check_labels(name, labels, num_rows, num_classes=None) -> np.ndarray:
    """Returns labels as int32.

    Args:
        name: The argument's name, for messages.
        labels: Ints of shape `(num_rows,)`.
        num_rows: Int, how many rows they belong to.
        num_classes: Int, if labels must be below it. Defaults to `None`.

    Returns:
        An int32 NumPy array of shape `(num_rows,)`.

    Raises:
        ValueError: If `labels` are missing, or of another shape, dtype or range.
    """
    if labels is None:
        raise _form_error(name, num_rows, num_classes, f"{name}=None")
    labels = np.asarray(labels)
    check_label_form(name, labels.shape, labels.dtype, num_rows, num_classes)
    check_label_range(name, labels, num_classes)
    return labels.astype(np.int32)


def check_label_form(name, shape, dtype, num_rows, num_classes=None):
    """Raises a `ValueError` unless labels are one int for each row.

    Args:
        name: The argument's name, for messages.
        shape: The shape of all labels.
        dtype: Their NumPy dtype.
        num_rows: Int, how many rows they belong to.
        num_classes: Int, or `None`. Defaults to `None`.
    """
    if shape != (num_rows,) or dtype.kind not in "iu":
        received = f"{name} of shape {shape} and dtype {dtype}"
        remedy = _remedy(name, shape[1:], dtype, num_classes)
        raise _form_error(name, num_rows, num_classes, received, remedy)


def check_label_range(name, labels, num_classes=None):
    """Raises a `ValueError` unless labels lie in `[0, num_classes)`.

    Args:
        name: The argument's name, for messages.
        labels: Array of ints: all of them, or a part.
        num_classes: Int, or `None` for any that int32 can hold. Defaults to `None`.
    """
    limit = 2**31 if num_classes is None else num_classes
    if labels.size and (labels.min() < 0 or labels.max() >= limit):
        low, high = labels.min(), labels.max()
        shift = f" If they start at 1: `{name} = {name} - 1`."
        raise ValueError(
            f"`{name}` must lie in [0, {limit}).{shift if high == limit else ''} "
            f"Received: labels from {low} to {high}"
        )


def _form_error(name, num_rows, num_classes, received, remedy=""):
    limits = "" if num_classes is None else f" in [0, {num_classes})"
    return ValueError(
        f"`{name}` must hold one int{limits} for each row, an array of shape "
        f"({num_rows},).{remedy} Received: {received}"
    )


def _remedy(name, shape, dtype, num_classes):
    """A sentence on how to make labels of what has this shape per row and dtype."""
    if shape == (1,):
        return f" Remove the last axis: `{name} = {name}[:, 0]`."
    if len(shape) == 1 and shape[0] == num_classes:
        return f" These look one-hot: `{name} = np.argmax({name}, axis=-1)`."
    remedy = ""
    if dtype.kind in "fbO":
        remedy += f' If they are whole numbers: `{name} = {name}.astype("int32")`.'
    if dtype.kind in "OSUT":
        remedy += " If they are names, number the classes in a public order."
    return remedy
