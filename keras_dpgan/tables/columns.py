"""What a column of a table may hold: public facts that no private row decides.

Each kind turns values into the number of a cell, and cells back into values. A value
that has no cell gets the number -1 and is counted nowhere.
"""

import dataclasses
import datetime
import functools
import math
import typing

import numpy as np
import tensorflow as tf

from keras_dpgan._utils import validate
from keras_dpgan.tables.pandas_library import pandas

if typing.TYPE_CHECKING:
    import pandas as pd

NOWHERE = -1
_DEFAULT_BINS = 20
# Whole numbers of a range of so many get a cell each.
_MOST_SINGLE_NUMBERS = 32
_NANOSECONDS = {
    "D": 86_400_000_000_000,
    "h": 3_600_000_000_000,
    "min": 60_000_000_000,
    "s": 1_000_000_000,
}
_ISO_UNITS: dict[str, typing.Any] = {"D": "D", "h": "h", "min": "m", "s": "s"}
# The largest whole number up to which float64 holds every one.
_EXACT = 2**53


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Nullable:
    nullable: bool = False
    dtype: str | None = None

    @property
    def _num_value_cells(self) -> int:
        raise NotImplementedError

    def _check_common(self):
        validate.check_bool("nullable", self.nullable)
        if self.dtype is not None:
            try:
                pandas().api.types.pandas_dtype(self.dtype)
            except TypeError as error:
                raise ValueError(
                    "`dtype` must be the name of a pandas dtype, such as 'int64' or "
                    f"'category'. Received: dtype={self.dtype!r}."
                ) from error

    def _set(self, **values):
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def num_cells(self) -> int:
        """The number of different cells, an int; a null is the last of them."""
        return self._num_value_cells + self.nullable

    def cell_names(self) -> list[str]:
        """What each cell stands for, in words, the null last."""
        return [*self._value_names(), *(["null"] if self.nullable else [])]

    def _value_names(self):
        raise NotImplementedError

    def is_null(self, cells: typing.Any) -> typing.Any:
        """Which cells stand for a null, a boolean tensor or array."""
        return cells == (self._num_value_cells if self.nullable else NOWHERE)

    def _with_nulls(self, cells, is_null):
        cells = np.array(cells, np.int64)  # A copy: pandas may own what it gives.
        cells[np.asarray(is_null, bool)] = (
            self._num_value_cells if self.nullable else NOWHERE
        )
        return cells

    def _series(self, values, is_null, natural):
        """Values as a series of the column's dtype, or of its natural one."""
        values = pandas().Series(values).astype(object)
        values[np.asarray(is_null, bool)] = None
        dtype = natural if self.dtype is None else self.dtype
        # What NumPy's integers and booleans cannot hold, pandas' own can. The dtype
        # does not depend on whether there is a gap among these rows.
        if self.nullable and dtype in _WITH_NULLS:
            dtype = _WITH_NULLS[dtype]
        return values.astype(dtype)


_WITH_NULLS = {
    **{f"int{bits}": f"Int{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"UInt{bits}" for bits in (8, 16, 32, 64)},
    "bool": "boolean",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Categorical(_Nullable):
    """A column of categories that are known beforehand.

    Examples:
        >>> work = dpgan.tables.Categorical(["Private", "State-gov"], other="other")
        >>> work.num_cells
        3

    Args:
        categories: Different strings, or ints, or floats: one type. They are
            published, so they must come from a data dictionary and never from the
            private rows.
        other: A category of its own for every other value. Defaults to `None`: other
            values are taken as null where the column is `nullable`, and are counted
            nowhere otherwise.
        nullable: Whether the column may have gaps. Defaults to `False`: a gap is
            counted nowhere.
        dtype: String, the pandas dtype of generated values. Defaults to `None`:
            `object` for strings, `int64` or `float64` for numbers.

    Raises:
        ValueError: If an argument does not fit.
    """

    categories: tuple
    other: str | int | float | None = None

    def __init__(
        self,
        categories: list | tuple,
        *,
        other: str | int | float | None = None,
        nullable: bool = False,
        dtype: str | None = None,
    ) -> None:
        self._set(other=other, nullable=nullable, dtype=dtype)
        self._check_common()
        if isinstance(categories, str) or not np.iterable(categories):
            raise ValueError(
                "`categories` must be a list of strings, of ints or of floats. "
                f"Received: categories={categories!r:.80}."
            )
        values = [_plain(value) for value in categories]
        everything = values if other is None else [*values, _plain(other)]
        if not values or len({type(value) for value in everything}) != 1:
            raise ValueError(
                "`categories`, and `other` with them, must be strings, or ints, or "
                "floats: at least one, and all of one type. Received: "
                f"categories={values!r:.80}, other={other!r}."
            )
        if type(values[0]) not in (str, int, float):
            raise ValueError(
                "`categories` must be strings, ints or floats; for True and False "
                f"there is `Boolean`. Received: categories={values!r:.80}."
            )
        if isinstance(values[0], int) and max(map(abs, everything)) > _EXACT:
            raise ValueError(
                "`categories` that are ints must be of size 2**53 at most, as pandas "
                "makes floats of a column with a gap. Use strings. Received: "
                f"categories={values!r:.80}."
            )
        if len(set(everything)) < len(everything) or any(v != v for v in everything):
            raise ValueError(
                "`categories` and `other` must all be different, and none of them "
                "NaN: a column with gaps is `nullable`. Received: "
                f"categories={values!r:.80}, other={other!r}."
            )
        self._set(
            categories=tuple(values), other=None if other is None else _plain(other)
        )

    @property
    def _num_value_cells(self):
        return len(self.values)

    @property
    def values(self) -> tuple:
        """The categories in the order of their cells, `other` among them."""
        return self.categories if self.other is None else (*self.categories, self.other)

    def _value_names(self):
        return [str(value) for value in self.values]

    def encode(self, series: "pd.Series") -> np.ndarray:
        """The cell of each value, an int64 array."""
        values = series.astype(object)
        is_null = values.isna().to_numpy()
        self._check_type(series, values[~is_null])
        cells = pandas().Index(self.categories, dtype=object).get_indexer(values)
        cells = self._with_nulls(cells, is_null)
        unknown = (cells == NOWHERE) & ~is_null
        if self.other is not None:
            cells[unknown] = len(self.categories)
        elif self.nullable:
            cells[unknown] = self._num_value_cells
        return cells

    def _check_type(self, series, values):
        wants_text = isinstance(self.categories[0], str)
        kinds = {isinstance(value, str) for value in values}
        if kinds and kinds != {wants_text}:
            found = "numbers" if wants_text else "strings"
            raise ValueError(
                f"The column {series.name!r} must have values of the type of its "
                f"categories, {type(self.categories[0]).__name__}, but has {found}. "
                "Change the categories of the schema, or the dtype of the column by "
                f"`astype`. Received: dtype={series.dtype}."
            )

    def decode(self, cells: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
        """The value of each cell, a tensor; `places` do not matter."""
        del places
        missing = "" if isinstance(self.categories[0], str) else 0
        return tf.gather(tf.constant([*self.values, missing]), cells)

    def to_series(self, values: np.ndarray, is_null: np.ndarray) -> "pd.Series":
        """Decoded values as a pandas series."""
        if isinstance(self.categories[0], str):
            return self._series(
                [value.decode("utf-8") for value in values], is_null, "object"
            )
        whole = isinstance(self.categories[0], int)
        return self._series(values, is_null, "int64" if whole else "float64")


# True and 1, False and 0 are equal, and so the same keys.
_TRUTHS = {"false": 0, "true": 1, 0: 0, 1: 1}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Boolean(_Nullable):
    """A column of True and False.

    Args:
        nullable: Whether the column may have gaps. Defaults to `False`: a gap is
            counted nowhere.
        dtype: String, the pandas dtype of generated values. Defaults to `None`:
            `bool`, or `boolean` where there are gaps.

    Examples:
        >>> import pandas as pd
        >>> smoker = dpgan.tables.Boolean(nullable=True)
        >>> smoker.encode(pd.Series([True, False, None]))
        array([1, 0, 2])
    """

    def __post_init__(self):
        self._check_common()

    @property
    def _num_value_cells(self):
        return 2

    def _value_names(self):
        return ["False", "True"]

    def encode(self, series: "pd.Series") -> np.ndarray:
        """The cell of each value, an int64 array: 0 for False, 1 for True."""
        values = series.astype(object)
        is_null = values.isna().to_numpy()
        # Each value by itself: what others are must not change what it counts as.
        lower = values.map(lambda v: v.lower() if isinstance(v, str) else v)
        cells = lower.map(_TRUTHS).fillna(NOWHERE).to_numpy(np.int64)
        if len(values) and not is_null.all() and (cells == NOWHERE)[~is_null].all():
            raise ValueError(
                f"The column {series.name!r} must have True and False, 0 and 1, or "
                "'true' and 'false'. Make it a `Categorical` if it has other values. "
                f"Received: dtype={series.dtype}."
            )
        return self._with_nulls(cells, is_null)

    def decode(self, cells: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
        """The value of each cell, a boolean tensor; `places` do not matter."""
        del places
        return cells == 1

    def to_series(self, values: np.ndarray, is_null: np.ndarray) -> "pd.Series":
        """Decoded values as a pandas series."""
        return self._series(values, is_null, "bool")


class _Binned(_Nullable):
    """What numbers and dates have in common: bins of a range of numbers."""

    # What `_set_bins` sets, and the ends of the range as the user gave them.
    _edges: np.ndarray
    _masses: np.ndarray
    _range: tuple[float, float]
    _whole: bool
    low: typing.Any
    high: typing.Any

    def _set_bins(self, low, high, bins, edges, integer, point_masses):
        """Sets the edges; the smallest number and the largest are among them."""
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(
                "`low` and `high` must be finite, and `low` below `high`. They are "
                "published, and must not be those of the private rows. Received: "
                f"low={self.low!r}, high={self.high!r}."
            )
        if bins is not None and edges is not None:
            raise ValueError(
                "`bins` must be None where `edges` are given. Received: "
                f"bins={bins!r}, edges={edges!r:.80}."
            )
        if edges is None:
            edges = _even_edges(low, high, bins, integer)
        elif len(edges) and edges[-1] == high:
            # Edges that end with `high` are those of bins, of which it is in the last.
            edges = edges[:-1]
        edges = np.asarray(edges, np.float64)
        inside = edges.ndim == 1 and np.isfinite(edges).all()
        if not inside or (np.diff(edges) <= 0).any():
            raise ValueError(
                "`edges` must be finite numbers that increase. Received: "
                f"edges={edges.tolist()!r:.80}."
            )
        if len(edges) and (edges[0] < low or edges[-1] > high):
            raise ValueError(
                f"`edges` must lie between `low` and `high`, [{low}, {high}]. "
                f"Received: edges={edges.tolist()!r:.80}."
            )
        inside = edges[(edges > low) & (edges < high + integer)]
        # The last whole number is in the last bin, which ends after it.
        edges = np.concatenate([[low], inside, [high + integer]])
        object.__setattr__(self, "_edges", edges)
        object.__setattr__(self, "_range", (low, high))
        object.__setattr__(self, "_masses", np.asarray(point_masses, np.float64))
        object.__setattr__(self, "_whole", integer)

    @functools.cached_property
    def _cells_of_bins(self):
        """For each bin its cell, and lowest and highest value of each cell.

        A bin that holds no number besides point masses is joined to the one before.
        """
        lows: list[float] = []
        highs: list[float] = []
        cell_of: list[int] = []
        for low, high in zip(self._edges[:-1], self._edges[1:], strict=True):
            if self._whole:
                low, high = self._without_masses(math.ceil(low), math.ceil(high) - 1)
            if low > high:
                cell_of.append(max(len(lows) - 1, 0))
                continue
            cell_of.append(len(lows))
            lows.append(low)
            highs.append(high)
        return np.asarray(cell_of), np.asarray(lows), np.asarray(highs)

    def _without_masses(self, low, high):
        while low <= high and low in self._masses:
            low += 1
        while high >= low and high in self._masses:
            high -= 1
        return low, high

    @property
    def _num_value_cells(self):
        return len(self._cells_of_bins[1]) + len(self._masses)

    def _value_names(self):
        _, lows, highs = self._cells_of_bins
        ends = zip(lows, highs, strict=True)
        names = [self._name(low, high) for low, high in ends]
        return [*names, *(self._name(mass, mass) for mass in self._masses)]

    def _name(self, low, high):
        """A cell by its lowest and highest value."""
        first, last = self._value_name(low), self._value_name(high)
        return first if first == last else f"{first} to {last}"

    def _value_name(self, value):
        return f"{value:.10g}"

    def _encode_numbers(self, numbers):
        """The cells of float64 numbers; those that are NaN are null."""
        is_null = np.isnan(numbers)
        clipped = np.clip(np.where(is_null, self._edges[0], numbers), *self._range)
        bins = np.searchsorted(self._edges[1:-1], clipped, side="right")
        cell_of, lows, _ = self._cells_of_bins
        cells = cell_of[bins]
        for number, mass in enumerate(self._masses):
            cells[clipped == mass] = len(lows) + number
        return self._with_nulls(cells, is_null)

    def _to_numbers(self, series):
        """The values as float64 numbers, NaN for a gap."""
        raise NotImplementedError

    def encode(self, series: "pd.Series") -> np.ndarray:
        """The cell of each value, an int64 array."""
        return self._encode_numbers(self._to_numbers(series))

    def to_places(self, series: "pd.Series") -> np.ndarray:
        """Where in the range each value lies, float64 in [0, 1]; NaN for a gap."""
        low, high = self._range
        return (np.clip(self._to_numbers(series), low, high) - low) / (high - low)

    def decode(self, cells: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
        """A value inside each cell, a float64 tensor, or an int64 tensor.

        Args:
            cells: Int tensor.
            places: Float tensor in [0, 1) of its shape: where inside of the cell.
        """
        _, lows, highs = self._cells_of_bins
        spare = [0.0] if self.nullable else []
        lows = np.concatenate([lows, self._masses, spare])
        highs = np.concatenate([highs, self._masses, spare])
        places = tf.cast(places, tf.float64)
        if self._whole:
            count = tf.gather(tf.constant(highs - lows + 1, tf.float64), cells)
            steps = tf.cast(tf.floor(places * count), tf.int64)
            return tf.gather(tf.constant(lows.astype(np.int64)), cells) + steps
        width = tf.gather(tf.constant(highs - lows, tf.float64), cells)
        return tf.gather(tf.constant(lows, tf.float64), cells) + places * width


@dataclasses.dataclass(frozen=True, kw_only=True)
class Numeric(_Binned):
    """A column of numbers within bounds that are known beforehand.

    Bins are what is released; inside of a bin, values are drawn evenly.

    Examples:
        >>> edges = [20, 25, 30, 40, 50, 65]
        >>> age = dpgan.tables.Numeric(17, 90, edges=edges, integer=True)
        >>> age.num_cells
        7
        >>> gain = dpgan.tables.Numeric(0, 1e5, point_masses=[0.0])

    Args:
        low: Float, the lowest value; what is below counts as `low`.
        high: Float, the highest value; what is above counts as `high`.
        bins: Positive int, bins of equal width. Defaults to `None`: as many as there
            are whole numbers, where `integer` and there are 32 at most; otherwise 20.
        edges: Numbers that increase, in the place of `bins`: where a bin ends and
            the next one begins with this very number. Defaults to `None`.
        integer: Whether all values are whole numbers. Defaults to `False`.
        point_masses: Numbers that are frequent of themselves, such as zero: each has
            a cell of its own, and is generated exactly. Defaults to none.
        nullable: Whether the column may have gaps. Defaults to `False`: a gap is
            counted nowhere.
        dtype: String, the pandas dtype of generated values. Defaults to `None`:
            `int64` or `float64`.

    Raises:
        ValueError: If an argument does not fit.
    """

    low: float
    high: float
    bins: int | None = None
    edges: tuple | None = None
    integer: bool = False
    point_masses: tuple = ()

    def __init__(
        self,
        low: float,
        high: float,
        *,
        bins: int | None = None,
        edges: list | tuple | None = None,
        integer: bool = False,
        point_masses: list | tuple = (),
        nullable: bool = False,
        dtype: str | None = None,
    ) -> None:
        self._set(low=low, high=high, nullable=nullable, dtype=dtype)
        self._check_common()
        validate.check_bool("integer", integer)
        low, high = _number("low", low), _number("high", high)
        if bins is not None:
            bins = validate.check_int("bins", bins, minimum=1)
        masses = tuple(_number("point_masses", mass) for mass in point_masses)
        if edges is not None:
            edges = tuple(_number("edges", edge) for edge in edges)
        wrong = [m for m in masses if not low <= m <= high or integer and m % 1]
        if wrong or len(set(masses)) < len(masses):
            raise ValueError(
                "`point_masses` must be different numbers between `low` and `high`, "
                "and whole ones where `integer` is True. Received: "
                f"point_masses={masses}."
            )
        if integer and (low % 1 or high % 1 or max(abs(low), abs(high)) > _EXACT):
            raise ValueError(
                "`low` and `high` must be whole numbers where `integer` is True, of "
                f"size 2**53 at most. Received: low={low}, high={high}."
            )
        self._set(
            low=low,
            high=high,
            bins=bins,
            edges=edges,
            integer=integer,
            point_masses=masses,
        )
        self._set_bins(low, high, bins, edges, integer, masses)

    def _to_numbers(self, series):
        return self.to_numbers(series)

    def to_numbers(self, series: "pd.Series") -> np.ndarray:
        """The values as a float64 array, NaN for a gap."""
        types = pandas().api.types
        dates = types.is_datetime64_any_dtype(series) or types.is_timedelta64_dtype(
            series
        )
        try:
            if dates or types.is_complex_dtype(series):
                raise TypeError
            numbers = pandas().to_numeric(series).astype("Float64")
            return numbers.to_numpy(np.float64, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"The column {series.name!r} must hold numbers. Make it a "
                "`Categorical` or a `Datetime` in the schema if it holds anything "
                f"else. Received: dtype={series.dtype}."
            ) from error

    def to_series(self, values: np.ndarray, is_null: np.ndarray) -> "pd.Series":
        """Decoded values as a pandas series."""
        return self._series(values, is_null, "int64" if self.integer else "float64")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Datetime(_Binned):
    """A column of dates or times within bounds that are known beforehand.

    Examples:
        >>> day = dpgan.tables.Datetime("2020-01-01", "2024-12-31", unit="D", bins=20)
        >>> day.num_cells
        20

    Args:
        low: String in ISO form, the earliest value; what is before counts as `low`.
        high: String in ISO form, the latest value; what is after counts as `high`.
        unit: `"D"`, `"h"`, `"min"` or `"s"`: values are whole numbers of these since
            1970. Defaults to `"D"`.
        bins: Positive int, bins of equal length. Defaults to 20.
        timezone: Name of a time zone such as `"Europe/Berlin"`: in which `low` and
            `high` are meant, and generated values are. Defaults to `None`: without a
            zone; values that have one count as UTC.
        nullable: Whether the column may have gaps. Defaults to `False`: a gap is
            counted nowhere.
        dtype: String, the pandas dtype of generated values. Defaults to `None`:
            `datetime64[ns]`, with the zone if there is one.

    Raises:
        ValueError: If an argument does not fit.
    """

    low: str
    high: str
    unit: str = "D"
    bins: int = _DEFAULT_BINS
    timezone: str | None = None

    def __init__(
        self,
        low: str,
        high: str,
        *,
        unit: str = "D",
        bins: int = _DEFAULT_BINS,
        timezone: str | None = None,
        nullable: bool = False,
        dtype: str | None = None,
    ) -> None:
        self._set(nullable=nullable, dtype=dtype, timezone=timezone)
        self._check_common()
        validate.check_choice("unit", unit, tuple(_NANOSECONDS))
        validate.check_int("bins", bins, minimum=1)
        low, high = _iso("low", low), _iso("high", high)
        self._set(low=low, high=high, unit=unit, bins=bins)
        try:
            ends = pandas().Series(pandas().to_datetime([low, high], format="ISO8601"))
            if timezone is not None:
                ends = ends.dt.tz_localize(timezone)
        except (KeyError, TypeError, ValueError, LookupError) as error:
            raise ValueError(
                "`timezone` must be the name of a time zone, and `low` and `high` "
                "dates in it without a zone of their own. Received: "
                f"low={low!r}, high={high!r}, timezone={timezone!r}."
            ) from error
        first, last = np.floor(self._numbers(ends))
        self._set_bins(first, last, bins, None, True, ())

    def _value_name(self, value):
        time = np.datetime64(int(value) * _NANOSECONDS[self.unit], "ns")
        return str(np.datetime_as_string(time, unit=_ISO_UNITS[self.unit]))

    def _numbers(self, series):
        """Times as float64 numbers of the unit since 1970; NaN for a null."""
        if series.dt.tz is not None:
            series = series.dt.tz_convert("UTC").dt.tz_localize(None)
        numbers = series.to_numpy("datetime64[ns]")
        missing = np.isnat(numbers)
        units = numbers.astype(np.int64) // _NANOSECONDS[self.unit]
        return np.where(missing, np.nan, units.astype(np.float64))

    def _to_numbers(self, series):
        types = pandas().api.types
        try:
            if not types.is_datetime64_any_dtype(series):
                if types.is_numeric_dtype(series) and not series.isna().all():
                    raise TypeError
                series = pandas().to_datetime(
                    series, utc=self.timezone is not None, format="ISO8601"
                )
            if self.timezone is not None and series.dt.tz is None:
                series = series.dt.tz_localize(
                    self.timezone, ambiguous="NaT", nonexistent="shift_forward"
                )
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(
                f"The column {series.name!r} must hold dates, or strings in ISO form "
                "such as '2024-12-31'. Convert it by `pandas.to_datetime`. Received: "
                f"dtype={series.dtype}."
            ) from error
        return np.floor(self._numbers(series))

    def to_series(self, values: np.ndarray, is_null: np.ndarray) -> "pd.Series":
        """Decoded values, ints of the unit since 1970, as a pandas series."""
        nanoseconds = np.asarray(values) * _NANOSECONDS[self.unit]
        times = pandas().Series(nanoseconds.astype("datetime64[ns]"))
        times[np.asarray(is_null, bool)] = pandas().NaT
        if self.timezone is not None:
            times = times.dt.tz_localize("UTC").dt.tz_convert(self.timezone)
        return times if self.dtype is None else times.astype(self.dtype)


KINDS = {
    "categorical": Categorical,
    "numeric": Numeric,
    "datetime": Datetime,
    "boolean": Boolean,
}


def column_to_dict(column):
    """A column as a dict of JSON values: its kind, and what is no default."""
    (kind,) = (name for name, known in KINDS.items() if type(column) is known)
    values = {
        field.name: getattr(column, field.name)
        for field in dataclasses.fields(column)
        if getattr(column, field.name) != field.default
    }
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
    return {"kind": kind, **dict(sorted(values.items()))}


def column_from_dict(name, values):
    """The column that `column_to_dict` wrote.

    Raises:
        ValueError: If the kind or an argument is unknown or wrong.
    """
    kind = values.get("kind") if isinstance(values, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(
            f"The column {name!r} must have a `kind` among {sorted(KINDS)}. Received: "
            f"{values!r:.80}."
        )
    arguments = {key: value for key, value in values.items() if key != "kind"}
    try:
        return KINDS[kind](**arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"The column {name!r} of the schema: {error}") from error


def _even_edges(low, high, bins, integer):
    numbers = high - low + 1
    if bins is None:
        few = integer and numbers <= _MOST_SINGLE_NUMBERS
        bins = int(numbers) if few else _DEFAULT_BINS
    if not integer:
        return np.linspace(low, high, bins + 1)
    return np.unique(low + np.floor(np.arange(1, bins) * numbers / bins))


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value


def _number(name, value):
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"`{name}` must be a number. Received: {name}={value!r:.80}.")
    if not math.isfinite(value):
        raise ValueError(f"`{name}` must be finite. Received: {name}={value!r}.")
    return float(value)


def _iso(name, value):
    if isinstance(value, datetime.date):
        value = value.isoformat()
    try:
        datetime.datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`{name}` must be a date in ISO form, such as '2024-12-31'. Received: "
            f"{name}={value!r:.80}."
        ) from error
    return value
