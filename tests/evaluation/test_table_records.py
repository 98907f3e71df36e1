"""Nearness to private rows, associations, and the page that shows them."""

import json

import numpy as np
import pytest

import keras_dpgan as dpgan
from keras_dpgan import evaluation

pd = pytest.importorskip("pandas")


@pytest.fixture
def schema():
    return dpgan.tables.TableSchema(
        {
            "x": dpgan.tables.Numeric(0, 10, bins=4, nullable=True),
            "c": dpgan.tables.Categorical(["a", "b", "<c>"], nullable=True),
            "y": dpgan.tables.Boolean(),
            "day": dpgan.tables.Datetime("2020-01-01", "2020-12-31", bins=3),
        }
    )


def make(n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.random(n) * 10
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 366, n), "D")
    return pd.DataFrame(
        {
            "x": np.where(rng.random(n) < 0.1, np.nan, x),
            "c": np.where(x > 5, "a", rng.choice(["b", "<c>"], n)),
            "y": rng.random(n) < 0.5,
            "day": days,
        }
    )


def test_distances_count_columns_alike(schema):
    row = pd.DataFrame({"x": [5.0], "c": ["a"], "y": [True], "day": ["2020-01-01"]})
    for change, distance in (
        ({}, 0.0),
        ({"x": 10.0}, 0.5),
        ({"x": np.nan}, np.sqrt(0.25 + 1)),
        ({"c": "b"}, 1.0),
        ({"c": None}, 1.0),
        ({"y": False, "c": "b"}, np.sqrt(2)),
        ({"day": "2020-12-31"}, 1.0),
        ({"x": 1e9}, 0.5),
    ):
        other = row.assign(**change)
        found = evaluation.nearest_records(other, row, row, schema)
        assert found["distance"]["synthetic"]["median"] == pytest.approx(
            distance, abs=1e-6
        )
        assert found["distance"]["real"]["identical"] == 1.0
        assert found["membership"] is None


def test_copies_are_found_and_fresh_rows_are_not(schema):
    train, test, fresh = make(400), make(400, 1), make(400, 2)
    copied = evaluation.nearest_records(train, train, test, schema)
    assert copied["distance"]["synthetic"]["identical"] == 1.0
    assert copied["membership"]["inferred"]
    assert copied["membership"]["auc"] > 0.95
    honest = evaluation.nearest_records(fresh, train, test, schema)
    assert not honest["membership"]["inferred"]
    assert honest["distance"]["synthetic"]["median"] == pytest.approx(
        honest["distance"]["real"]["median"], rel=0.2
    )


def test_associations_are_those_of_what_columns_are():
    rng = np.random.default_rng(0)
    n = 4000
    x = rng.normal(size=n)
    group = rng.integers(0, 3, n)
    frame = pd.DataFrame(
        {
            "x": x,
            "double": -2 * x,
            "half": x + rng.normal(size=n),
            "group": group,
            "copy": (group + 1) % 3,
            "by group": group + rng.normal(size=n),
            "apart": rng.integers(0, 8, n),
            "same": 1.0,
        }
    )
    number, category = dpgan.tables.Numeric, dpgan.tables.Categorical
    schema = dpgan.tables.TableSchema(
        {
            **{name: number(-20, 20) for name in ("x", "double", "half")},
            **{name: category([0, 1, 2]) for name in ("group", "copy")},
            "by group": number(-20, 20),
            "apart": category(list(range(8))),
            "same": number(0, 2),
        }
    )
    found = pd.DataFrame(
        evaluation.associations(frame, schema), schema.names, schema.names
    )
    np.testing.assert_array_equal(found, found.T)
    assert found.loc["x", "double"] == pytest.approx(1.0)
    assert found.loc["x", "half"] == pytest.approx(np.sqrt(0.5), abs=0.03)
    assert found.loc["group", "copy"] == pytest.approx(1.0)
    # Variance between groups 2/3, inside of them 1.
    assert found.loc["group", "by group"] == pytest.approx(np.sqrt(0.4), abs=0.03)
    assert found.loc["apart", "group"] < 0.04
    assert found.loc["apart", "x"] < 0.05
    assert (found["same"].drop("same") == 0).all()


def test_associations_of_hardly_any_rows_are_none(schema):
    found = evaluation.associations(make(1), schema)
    np.testing.assert_array_equal(found, np.eye(4))


def test_a_report_has_a_section_for_each_column_and_says_it_is_not_private(
    schema, tmp_path
):
    train, test, fresh = make(300), make(300, 1), make(300, 2)
    scores = evaluation.report_table(
        fresh, train, test, schema, tmp_path / "report", statement="eps 1"
    )
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    for name in schema.names:
        assert f"<h2>{name}</h2>" in page
    assert "&lt;c&gt;" in page
    assert "<c>" not in page
    assert "2020-01-01 to 2020-05-01" in page
    assert "do not publish" in page
    assert "eps 1" in page
    saved = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert saved["columns"] == scores["columns"]
    assert len(saved["pairs"]) == 6
    assert saved["warning"] == scores["warning"]
    assert saved["associations"]["synthetic"] < 0.1


def test_a_report_of_one_column_and_no_statement(tmp_path):
    schema = dpgan.tables.TableSchema({"y": dpgan.tables.Boolean()})
    rows = pd.DataFrame({"y": [True, False]})
    evaluation.report_table(rows, rows, rows, schema, tmp_path)
    assert "No privacy statement" in (tmp_path / "report.html").read_text("utf-8")
