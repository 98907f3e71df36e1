import numpy as np
import pytest

import keras_dpgan as dpgan
from keras_dpgan import evaluation

pd = pytest.importorskip("pandas")


@pytest.fixture
def schema():
    columns = {
        "x": dpgan.tables.Numeric(0, 1, bins=2, nullable=True),
        "c": dpgan.tables.Categorical(["a", "b", "c"]),
        "y": dpgan.tables.Boolean(),
    }
    return dpgan.tables.TableSchema(columns, ["x > 0.1"])


def make(n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.random(n)
    c = np.where(x + rng.normal(0, 0.1, n) > 0.5, "a", "b")
    return pd.DataFrame({"x": x, "c": c, "y": x + rng.normal(0, 0.3, n) > 0.5})


def test_total_variation_is_that_of_the_shares_of_cells(schema):
    one = pd.DataFrame({"x": [0.2, 0.2, 0.7, None], "c": list("aabb"), "y": [True] * 4})
    other = pd.DataFrame({"x": [0.2, 0.7], "c": list("ab"), "y": [True] * 2})
    # Shares of x: 1/2, 1/4, 1/4 and 1/2, 1/2, 0. The other columns are equal.
    assert evaluation.total_variation(one, other, schema, 1) == pytest.approx(0.25 / 3)
    # (x, c) differs by a quarter, and so does (x, y); (c, y) does not.
    assert evaluation.total_variation(one, other, schema, 2) == pytest.approx(0.5 / 3)
    assert evaluation.total_variation(one, one, schema, 3) == 0.0


def test_tables_of_no_common_cell_are_at_distance_one(schema):
    one = pd.DataFrame({"x": [0.2], "c": ["a"], "y": [True]})
    other = pd.DataFrame({"x": [0.7], "c": ["b"], "y": [False]})
    for order in (1, 2, 3):
        assert evaluation.total_variation(one, other, schema, order) == 1.0


def test_shuffled_columns_have_the_same_shares_and_predict_nothing(schema):
    train, test = make(2000), make(2000, 1)
    shuffled = pd.DataFrame(
        {
            name: train[name].sample(frac=1, random_state=number).to_numpy()
            for number, name in enumerate(train)
        }
    )
    assert evaluation.total_variation(shuffled, train, schema, 1) < 1e-9
    assert evaluation.total_variation(shuffled, train, schema, 2) > 0.1
    real = evaluation.train_on_synthetic(train, test, schema, "y")["boosting"]
    lost = evaluation.train_on_synthetic(shuffled, test, schema, "y")["boosting"]
    assert real["auc"] > 0.75
    assert 0.35 < lost["auc"] < 0.65


def test_a_number_as_target_is_scored_by_r2_and_several_values_by_auc(schema):
    train, test = make(2000), make(2000, 1)
    assert evaluation.train_on_synthetic(train, test, schema, "x")["linear"]["r2"] > 0.5
    assert (
        evaluation.train_on_synthetic(train, test, schema, "c")["linear"]["auc"] > 0.8
    )


def test_a_target_of_one_value_predicts_nothing(schema):
    one_value = make(100).assign(y=True)
    found = evaluation.train_on_synthetic(one_value, make(100, 1), schema, "y")
    assert found["boosting"]["auc"] == 0.5


def test_coverage_and_violations_are_shares(schema):
    train = pd.DataFrame({"x": [0.2, 0.7], "c": ["a", "b"], "y": [True, False]})
    rows = pd.DataFrame({"x": [0.05, 0.7], "c": ["a", "a"], "y": [True, False]})
    found = evaluation.evaluate_table(rows, train, train, schema)
    assert found["coverage"] == {"synthetic": pytest.approx(2.5 / 3), "real": 1.0}
    assert found["constraint_violations"] == {"synthetic": 0.5, "real": 0.0}
    assert "prediction" not in found


def test_an_empty_table_is_refused(schema):
    with pytest.raises(ValueError, match="a table of none"):
        evaluation.total_variation(make(0), make(3), schema)
