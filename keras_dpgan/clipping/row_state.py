"""Where the rows of each record are in a tensor.

A tensor of a traced loss is in one of these states:

* `Rows`: each of its numbers belongs to one record, and it is known to which.
* `SHARED`: it depends on no record, and no axis of it runs over the records.
* `SECRET`: as `SHARED`, but computed from secret random numbers.
* `COUNT`: as `SHARED`, but computed from the number of records. It may say how large a
  tensor is, and nothing else (then it is `Sizes`).
* `ListOf`: a list of tensors (a loop's `TensorList`) that are all in one state.
* `Unknown`: anything else. The operation that made it so is kept for the message.
"""

import dataclasses
import math

# The number of records for which a loss is traced to find its layout. A prime larger
# than most sizes in a network, so that an axis whose size is a multiple of it is one
# that runs over the records.
NUM_RECORDS = 10007

# It is traced for these numbers, too: what is not the same depends on the number. One
# is near and one is far and even, so that remainders and quotients show.
OTHER_NUMBERS = (10009, 23010)


@dataclasses.dataclass(frozen=True)
class Rows:
    """Number `f` of the flattened tensor belongs to record `f // stride % n`.

    A reshape changes the shape alone, whatever axes it folds or unfolds.

    Attributes:
        shape: Tuple of ints. A first axis that does not run over the records may be
            `None`, of unknown size.
        stride: Int.
    """

    shape: tuple
    stride: int

    @property
    def place(self):
        """The `Place` of the records, or `None` if no axis runs over them."""
        tail = 1
        for axis in reversed(range(len(self.shape))):
            size = self.shape[axis]
            if size is None:
                return None
            if self.stride < tail * size:
                inner, rest = divmod(self.stride, tail)
                outer, other_rest = divmod(size, NUM_RECORDS * inner)
                return None if rest or other_rest else Place(axis, outer, inner)
            tail *= size
        return None

    @property
    def blocks(self):
        """The rows per record, if the records' rows are end to end on the first axis.

        Row `j` then belongs to record `j % n`. `None` for any other layout.
        """
        place = self.place
        if place is None or place.axis != 0 or place.inner != 1:
            return None
        return place.outer


@dataclasses.dataclass(frozen=True)
class Place:
    """The axis that runs over the records, and how.

    The axis has size `outer * n * inner`; index `j` on it belongs to record
    `j // inner % n`.

    Attributes:
        axis: Int, not negative.
        outer: Int.
        inner: Int.
    """

    axis: int
    outer: int
    inner: int

    def rows(self, shape, axis=None, outer=None):
        """The `Rows` of a shape on an axis of which the records lie like this.

        Args:
            shape: Tuple of ints.
            axis: Int. Defaults to `None`: the same axis.
            outer: Int. Defaults to `None`: the same.

        Returns:
            A `Rows`, or `None` if the axis has another size.
        """
        axis = self.axis if axis is None else axis
        outer = self.outer if outer is None else outer
        tail = shape[axis + 1 :]
        if shape[axis] != outer * NUM_RECORDS * self.inner or None in tail:
            return None
        return Rows(tuple(shape), self.inner * math.prod(tail))


@dataclasses.dataclass(frozen=True)
class ListOf:
    """A list of tensors.

    Attributes:
        element: The state of each of them; `None` if there is none yet.
    """

    element: object


@dataclasses.dataclass(frozen=True)
class Unknown:
    """It is not known to which record the numbers belong.

    Attributes:
        operation: String, the operation that made it so: its type and its name.
    """

    operation: str


@dataclasses.dataclass(frozen=True)
class _NoRows:
    """A state without records."""

    name: str


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Sizes of a tensor, of which some are multiples of the number of records.

    Attributes:
        varying: Frozenset of ints, the indices of those.
    """

    varying: frozenset


SHARED = _NoRows("shared")
SECRET = _NoRows("secret")
COUNT = _NoRows("count")


def is_free_of_records(state):
    """Whether a state depends neither on a record nor on the number of records."""
    return state in (SHARED, SECRET) or isinstance(state, Sizes)


def stronger(states):
    """The state of what is computed from tensors without rows."""
    return next((s for s in (COUNT, SECRET) if s in states), SHARED)


def record_axes(shape):
    """The axes of a static shape that run over the records."""
    return [
        axis
        for axis, size in enumerate(shape)
        if size is not None and size > 0 and size % NUM_RECORDS == 0
    ]


def filled(shape):
    """The state of a tensor whose rows are all equal, or drawn independently.

    Args:
        shape: Tuple of ints.

    Returns:
        `SHARED` if no axis runs over the records, `Rows` if one does, else `None`.
    """
    axes = record_axes(shape)
    if not axes:
        return SHARED
    if len(axes) > 1:
        return None
    (axis,) = axes
    outer = shape[axis] // NUM_RECORDS
    return Place(axis, outer, 1).rows(shape)


def joined(states):
    """The state of a tensor that may be any of several.

    Args:
        states: List of states; `None` stands for a list without elements.

    Returns:
        A state, or `None` where they do not agree.
    """
    known = [s for s in states if s is not None]
    if all(isinstance(s, ListOf) for s in known) and known:
        elements = [s.element for s in known if s.element is not None]
        if not elements:
            return ListOf(None)
        element = joined(elements)
        return None if element is None else ListOf(element)
    different = set(known)
    if different <= {SHARED, SECRET, COUNT}:
        return stronger(different)
    return different.pop() if len(different) == 1 else None
