"""What is publicly known to hold in every row: comparisons and dependencies."""

import ast
import operator

import numpy as np

from keras_dpgan.tables import columns as column_kinds
from keras_dpgan.tables.pandas_library import pandas

_COMPARISONS = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}
_ARROW = "->"
# By how much the two sides of an equation may differ, of their size.
_ROUNDING = 1e-9


class Constraint:
    """One comparison, such as `"end >= start"`.

    Args:
        text: String: sums, differences and products of columns, numbers and strings
            on both sides of one comparison.
        columns: The names of the columns.

    Raises:
        ValueError: If it is anything else: nothing but such an expression is run.
    """

    def __init__(self, text, columns):
        self.text = text
        try:
            tree = ast.parse(text, mode="eval").body
            if not isinstance(tree, ast.Compare) or len(tree.ops) != 1:
                raise ValueError("it is no single comparison")
            self._compare = _COMPARISONS[type(tree.ops[0])]
        except (SyntaxError, TypeError, ValueError, KeyError) as error:
            raise ValueError(
                "`constraints` must be comparisons of columns, such as 'end >= start', "
                f"or dependencies, such as 'city -> state'. Received: {text!r:.80}."
            ) from error
        self._names = set()
        left, right = tree.left, tree.comparators[0]
        self._left = self._expression(left, columns)
        self._right = self._expression(right, columns)
        self.sum_of = None
        if self._compare is operator.eq:
            self.sum_of = self._sum(left, right, columns) or self._sum(
                right, left, columns
            )

    def _sum(self, alone, others, columns):
        """A column that the others of an equation give, and what it is, or `None`."""
        used = {node.id for node in ast.walk(others) if isinstance(node, ast.Name)}
        if not isinstance(alone, ast.Name) or alone.id in used:
            return None
        numbers = [columns[name] for name in (alone.id, *used)]
        if not all(isinstance(column, column_kinds.Numeric) for column in numbers):
            return None
        constants = [n.value for n in ast.walk(others) if isinstance(n, ast.Constant)]
        whole = all(c.integer for c in numbers[1:]) and all(
            isinstance(value, int) for value in constants
        )
        if numbers[0].integer and not whole:
            return None
        return alone.id, frozenset(used), self._expression(others, columns)

    def _expression(self, node, columns):
        """A function of a frame."""
        if isinstance(node, ast.Name) and node.id in columns:
            self._names.add(node.id)
            return lambda frame: frame[node.id]
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
            return lambda frame: node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = self._expression(node.operand, columns)
            return lambda frame: -inner(frame)
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            combine = _ARITHMETIC[type(node.op)]
            left = self._expression(node.left, columns)
            right = self._expression(node.right, columns)
            return lambda frame: combine(left(frame), right(frame))
        raise ValueError(
            "`constraints` must be made of columns of the schema, numbers, strings, "
            f"+, - and *. Received: {ast.unparse(node)!r:.80} in {self.text!r:.80}."
        )

    def is_broken(self, frame):
        """Which rows break it, a boolean array; none that has a gap in it."""
        left, right = self._left(frame), self._right(frame)
        if self._compare in (operator.eq, operator.ne) and _are_numbers(left, right):
            left = np.asarray(left, np.float64)
            kept = np.isclose(left, np.asarray(right, np.float64), _ROUNDING, _ROUNDING)
            kept = kept == (self._compare is operator.eq)
        else:
            kept = self._compare(left, right)
        kept = pandas().Series(kept, index=frame.index)
        kept = kept.astype("boolean").fillna(True).to_numpy(bool)
        gaps = np.zeros(len(frame), bool)
        for name in self._names:
            gaps |= frame[name].isna().to_numpy()
        return ~kept & ~gaps


class Dependency:
    """One value of a column has one value of another, such as `"city -> state"`.

    Args:
        text: String, two names of columns with an arrow between them.
        columns: Dict from names to columns.

    Raises:
        ValueError: If it is anything else.
    """

    def __init__(self, text, columns):
        self.text = text
        self.first, self.second = (part.strip() for part in text.split(_ARROW, 1))
        kinds = (column_kinds.Categorical, column_kinds.Boolean)
        for name in (self.first, self.second):
            if not isinstance(columns.get(name), kinds):
                raise ValueError(
                    "`constraints` with an arrow must name two columns that are "
                    "`Categorical` or `Boolean`, such as 'city -> state'. Received: "
                    f"{text!r:.80}."
                )

    def is_broken(self, frame):
        """Which rows do not have the most frequent value of rows like them."""
        first = frame[self.first].astype(object)
        second = frame[self.second].astype(object)
        both = pandas().DataFrame({"first": first, "second": second})
        counts = both.value_counts(dropna=False).reset_index()
        counts = counts.drop_duplicates("first")
        usual = dict(zip(counts["first"].map(_key), counts["second"], strict=True))
        found = zip(first, second, strict=True)
        return np.array([_key(b) != _key(usual[_key(a)]) for a, b in found], bool)


def parse(text, columns):
    """A `Constraint` or a `Dependency`.

    Raises:
        ValueError: If it is neither.
    """
    is_dependency = isinstance(text, str) and _ARROW in text
    return (Dependency if is_dependency else Constraint)(text, columns)


def in_order(dependencies):
    """Dependencies, such that what others start from comes first.

    Raises:
        ValueError: If two end in the same column, or they make a circle.
    """
    left, found = list(dependencies), []
    ends = [dependency.second for dependency in left]
    while left:
        open_ends = {dependency.second for dependency in left}
        ready = [d for d in left if d.first not in open_ends]
        if not ready or len(set(ends)) < len(ends):
            raise ValueError(
                "`constraints` with an arrow must lead to each column once, and in no "
                "circle: leave one of them out. Received: "
                f"{[dependency.text for dependency in dependencies]}."
            )
        found += ready
        left = [d for d in left if d not in ready]
    return tuple(found)


def sums(constraints):
    """The columns that equations give, in an order in which none is used too early.

    An equation whose column is used or given by one before it is left out.

    Returns:
        List of pairs of a name and a function of a dict of columns.
    """
    taken, found = set(), []
    for constraint in constraints:
        if constraint.sum_of is None:
            continue
        name, used, value = constraint.sum_of
        if name in taken:
            continue
        taken |= {name, *used}
        found.append((name, used, value))
    return found


def _are_numbers(left, right):
    types = pandas().api.types
    return all(
        types.is_numeric_dtype(side) and not types.is_bool_dtype(side)
        if hasattr(side, "dtype")
        else isinstance(side, int | float)
        for side in (left, right)
    )


def _key(value):
    """A value as a key, whatever stands for a gap."""
    return None if pandas().isna(value) else value
