"""Columns of a table: to cells and back, whatever is in them."""

import json

import numpy as np
import pytest
import tensorflow as tf

import keras_dpgan as dpgan

pd = pytest.importorskip("pandas")

Numeric = dpgan.tables.Numeric
Categorical = dpgan.tables.Categorical
Datetime = dpgan.tables.Datetime
Boolean = dpgan.tables.Boolean


def there_and_back(column, values):
    """Cells of values, and values drawn from these cells."""
    schema = dpgan.tables.TableSchema({"x": column})
    cells = schema.encode(pd.DataFrame({"x": values}))
    places = np.random.default_rng(0).random(cells.shape)
    decoded = schema.decode(tf.constant(cells), tf.constant(places))
    return cells[:, 0], schema.to_frame(decoded)["x"]


COLUMNS = {
    "whole numbers": (Numeric(0, 9, integer=True), [0, 9, 5], "int64"),
    "wide whole numbers": (Numeric(-50, 1000, integer=True), [-50, 1000, 3], "int64"),
    "numbers with gaps": (Numeric(0, 1, nullable=True), [0.5, None, 1.0], "float64"),
    "whole with gaps": (
        Numeric(0, 9, integer=True, nullable=True),
        [1, None, 2],
        "Int64",
    ),
    "small ints": (Numeric(0, 9, integer=True, dtype="int8"), [0, 9, 5], "int8"),
    "masses": (Numeric(0, 9, point_masses=[0, 2.5]), [0, 2.5, 7.1], "float64"),
    "text": (Categorical(["a", "b", "c"]), ["a", "b", "c"], "object"),
    "text with gaps": (Categorical(["a", "b"], nullable=True), ["a", None], "object"),
    "numbers as categories": (Categorical([3, 7]), [3, 7], "int64"),
    "pandas categories": (
        Categorical(["a", "b"], dtype="category"),
        pd.Categorical(["a", "b"]),
        "category",
    ),
    "booleans": (Boolean(), [True, False], "bool"),
    "booleans with gaps": (Boolean(nullable=True), [True, None, False], "boolean"),
    "dates": (
        Datetime("2020-01-01", "2020-12-31"),
        pd.to_datetime(["2020-01-01", "2020-12-31"]),
        "datetime64[ns]",
    ),
    "dates as text with gaps": (
        Datetime("2020-01-01", "2020-12-31", nullable=True),
        ["2020-01-01", None],
        "datetime64[ns]",
    ),
    "times in a zone": (
        Datetime("2020-01-01", "2020-12-31", unit="h", timezone="Europe/Berlin"),
        pd.to_datetime(["2020-01-01", "2020-10-25"]).tz_localize("Europe/Berlin"),
        "datetime64[ns, Europe/Berlin]",
    ),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_values_go_to_cells_and_back_into_the_same_cells(kind):
    column, values, dtype = COLUMNS[kind]
    cells, back = there_and_back(column, values)
    assert (cells >= 0).all()
    assert (cells < column.num_cells).all()
    assert str(back.dtype) == dtype
    again, _ = there_and_back(column, back)
    np.testing.assert_array_equal(again, cells)
    np.testing.assert_array_equal(back.isna(), pd.Series(values).isna())


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_is_the_same_after_json(kind):
    schema = dpgan.tables.TableSchema({"x": COLUMNS[kind][0]})
    text = json.dumps(schema.to_dict())
    assert dpgan.tables.TableSchema.from_dict(json.loads(text)) == schema


def test_point_masses_come_back_exactly_and_have_no_share_in_the_bin():
    column = Numeric(0, 9, integer=True, point_masses=[0], edges=[5])
    cells, back = there_and_back(column, [0] * 500 + [1] * 500)
    assert column.num_cells == 3
    assert set(cells) == {0, 2}
    assert (back[:500] == 0).all()
    assert set(back[500:]) == {1, 2, 3, 4}


def test_each_whole_number_of_a_short_range_has_a_cell_of_its_own():
    column = Numeric(0, 9, integer=True)
    cells, back = there_and_back(column, range(10))
    assert column.num_cells == 10
    assert list(back) == list(range(10))
    assert list(cells) == list(range(10))


def test_what_is_outside_is_clipped_other_a_gap_or_counted_nowhere():
    numbers = there_and_back(Numeric(0, 1, bins=2), [-5, 7, np.inf, -np.inf])[0]
    np.testing.assert_array_equal(numbers, [0, 1, 1, 0])
    wrong = ["zzz", "a"]
    other = Categorical(["a"], other="rest")
    assert list(other.encode(pd.Series(wrong))) == [1, 0]
    gap = Categorical(["a"], nullable=True)
    assert list(gap.encode(pd.Series(wrong))) == [1, 0]
    assert list(Categorical(["a"]).encode(pd.Series(wrong))) == [-1, 0]
    assert list(Boolean().encode(pd.Series([True, None]))) == [1, -1]


def test_an_hour_that_there_is_twice_does_not_stop_anything():
    column = Datetime(
        "2020-10-25", "2020-10-26", unit="h", timezone="Europe/Berlin", nullable=True
    )
    cells, _ = there_and_back(column, pd.to_datetime(["2020-10-25T02:30"]))
    assert cells.shape == (1,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Numeric(1, 0), "`low` and `high` must be finite"),
        (lambda: Numeric(0, np.nan), "`high` must be finite"),
        (lambda: Numeric(0, True), "`high` must be a number"),
        (lambda: Numeric(0, 1, bins=0), "`bins` must be an integer of at least 1"),
        (lambda: Numeric(0, 1, edges=[0.7, 0.2]), "`edges` must be finite numbers"),
        (lambda: Numeric(0, 1, edges=[2]), "`edges` must lie between"),
        (lambda: Numeric(0, 1, bins=3, edges=[0.5]), "`bins` must be None"),
        (lambda: Numeric(0.5, 1, integer=True), "must be whole numbers"),
        (lambda: Numeric(0, 1, point_masses=[7]), "`point_masses` must be"),
        (lambda: Numeric(0, 1, dtype="nothing"), "`dtype` must be the name"),
        (lambda: Categorical([]), "at least one"),
        (lambda: Categorical("abc"), "`categories` must be a list"),
        (lambda: Categorical(["a", 1]), "all of one type"),
        (lambda: Categorical(["a", "a"]), "must all be different"),
        (lambda: Categorical(["a"], other="a"), "must all be different"),
        (lambda: Categorical([True, False]), "there is `Boolean`"),
        (lambda: Boolean(nullable=1), "`nullable` must be True or False"),
        (lambda: Datetime("yesterday", "2020-01-01"), "`low` must be a date"),
        (lambda: Datetime("2021-01-01", "2020-01-01"), "`low` below `high`"),
        (lambda: Datetime("2020", "2021-01-01", unit="y"), "`unit` must be one of"),
        (
            lambda: Datetime("2020-01-01", "2021-01-01", timezone="Mars"),
            "`timezone` must be",
        ),
        (lambda: dpgan.tables.TableSchema({}), "with one column at least"),
        (lambda: dpgan.tables.TableSchema({"x": 3}), "`columns` must have names"),
        (lambda: dpgan.tables.TableSchema({3: Boolean()}), "`columns` must have names"),
    ],
)
def test_a_wrong_column_says_what_it_must_be(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        (Numeric(0, 1), ["a"], "must hold numbers"),
        (Numeric(0, 1), pd.to_datetime(["2020-01-01"]), "must hold numbers"),
        (Numeric(0, 1), [1j], "must hold numbers"),
        (Categorical(["a"]), [1], "has numbers"),
        (Categorical([1]), ["a"], "has strings"),
        (Boolean(), ["yes"], "must have True and False"),
        (Datetime("2020-01-01", "2021-01-01"), ["tomorrow"], "must hold dates"),
        (Datetime("2020-01-01", "2021-01-01"), [3], "must hold dates"),
    ],
)
def test_a_column_of_another_type_is_refused(column, values, message):
    schema = dpgan.tables.TableSchema({"x": column})
    with pytest.raises(ValueError, match=message):
        schema.encode(pd.DataFrame({"x": values}))


def test_missing_and_double_columns_are_named():
    schema = dpgan.tables.TableSchema({"x": Boolean(), "y": Boolean()})
    with pytest.raises(ValueError, match=r"missing=\['y'\]"):
        schema.encode(pd.DataFrame({"x": [True]}))
    double = pd.DataFrame([[True, False, True]], columns=["x", "y", "x"])
    with pytest.raises(ValueError, match=r"twice=\['x'\]"):
        schema.encode(double)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: {**d, "format": "keras_dpgan.ledger"},
        lambda d: {**d, "version": 99},
        lambda d: {**d, "columns": [{"kind": "boolean"}]},
        lambda d: {**d, "columns": d["columns"] * 2},
        lambda d: {**d, "columns": [{"name": "x", "kind": "secret"}]},
        lambda d: {**d, "columns": [{"name": "x", "kind": "numeric", "low": 1}]},
        lambda d: {**d, "constraints": ["__import__('os')"]},
        lambda d: {**d, "more": 1},
        lambda d: [d],
    ],
)
def test_a_file_that_is_no_schema_is_refused(tmp_path, change):
    schema = dpgan.tables.TableSchema({"x": Boolean()})
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(change(schema.to_dict())))
    with pytest.raises(ValueError, match="It was read from"):
        dpgan.tables.TableSchema.load(file)


def test_constraints_are_kept_apart_from_code():
    columns = {"x": Numeric(0, 9), "y": Numeric(0, 9, nullable=True)}
    schema = dpgan.tables.TableSchema(columns, ["y >= 2 * x - 1"])
    frame = pd.DataFrame({"x": [1, 3, 9], "y": [1, 2, None]})
    np.testing.assert_array_equal(schema.violations(frame), [False, True, False])
    for wrong in ("x", "x < y < 3", "x.y > 1", "print(x) > 1", "z > 1", "x >", 7):
        with pytest.raises(ValueError, match="`constraints` must be"):
            dpgan.tables.TableSchema(columns, [wrong])


def test_a_draft_of_a_public_table_takes_its_rows(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "id": [f"person {i}" for i in range(500)],
            "work": rng.choice(["a", "b"], 500),
            "age": rng.integers(18, 90, 500),
            "gain": np.where(rng.random(500) < 0.5, 0.0, rng.exponential(100, 500)),
            "gap": np.where(rng.random(500) < 0.1, np.nan, rng.normal(size=500)),
            "rich": rng.random(500) < 0.3,
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(500), "D"),
            "empty": [None] * 500,
        }
    )
    schema, left_out = dpgan.tables.draft_schema(frame)
    assert left_out == ("id", "empty")
    cells = schema.encode(frame)
    assert (cells >= 0).all()
    gain = schema.columns["gain"]
    assert gain.point_masses == (0.0,)
    assert schema.columns["gap"].nullable
    counts = np.bincount(gain.encode(frame["gain"]))
    assert counts[:-1].max() < 40
    schema.save(tmp_path / "schema.json")
    assert dpgan.tables.TableSchema.load(tmp_path / "schema.json") == schema


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), r"twice=\['x'\]"),
        (pd.DataFrame(), "must have a column with values"),
        (pd.DataFrame({"x": [None, None]}), "must have a column with values"),
        (pd.DataFrame({"x": [1.5]}), "1 rows of the columns"),
        (pd.DataFrame({"x": [np.inf, -np.inf]}), "must have a column with values"),
        (pd.DataFrame({3: [1, 2]}), "must have a column with values"),
    ],
)
def test_a_public_table_that_says_nothing_is_refused(frame, message):
    with pytest.raises(ValueError, match=message):
        dpgan.tables.draft_schema(frame)


def test_a_draft_of_one_row_takes_what_it_can():
    frame = pd.DataFrame({"whole": [3], "text": ["a"], "truth": [True]})
    schema, left_out = dpgan.tables.draft_schema(frame)
    assert schema.names == ("whole", "text", "truth")
    assert left_out == ()
