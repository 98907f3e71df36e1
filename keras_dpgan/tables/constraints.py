"""What is publicly known to hold in every row: comparisons of columns."""

import ast
import operator

import numpy as np

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
                "`constraints` must be comparisons of columns, such as 'end >= start'. "
                f"Received: {text!r:.80}."
            ) from error
        self._names = set()
        self._left = self._expression(tree.left, columns)
        self._right = self._expression(tree.comparators[0], columns)

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
        kept = pandas().Series(self._compare(left, right), index=frame.index)
        kept = kept.astype("boolean").fillna(True).to_numpy(bool)
        gaps = np.zeros(len(frame), bool)
        for name in self._names:
            gaps |= frame[name].isna().to_numpy()
        return ~kept & ~gaps
