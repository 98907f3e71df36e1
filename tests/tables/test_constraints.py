"""What is publicly known to hold in every row holds in every generated one."""

import numpy as np
import pytest
import tensorflow as tf

import keras_dpgan as dpgan

pd = pytest.importorskip("pandas")

Numeric = dpgan.tables.Numeric
Categorical = dpgan.tables.Categorical

COLUMNS = {
    "city": Categorical(["Berlin", "Bonn", "Paris", "Lyon"]),
    "state": Categorical(["BE", "NW", "IF", "AR"], nullable=True),
    "land": Categorical(["de", "fr"]),
    "food": Numeric(0, 100, bins=4, integer=True),
    "rent": Numeric(0, 100, bins=4, integer=True, nullable=True),
    "total": Numeric(0, 200, bins=4, integer=True),
    "half": Numeric(0, 100, bins=4),
}
CONSTRAINTS = [
    "state -> land",
    "total == food + rent",
    "city -> state",
    "0.5 * total == half",
    "food <= 90",
]
STATES = {"Berlin": "BE", "Bonn": "NW", "Paris": "IF", "Lyon": "AR"}
LANDS = {"BE": "de", "NW": "de", "IF": "fr", "AR": "fr"}


def make(n):
    rng = np.random.default_rng(0)
    city = pd.Series(rng.choice(list(STATES), n))
    food, rent = rng.integers(0, 91, n), rng.integers(0, 101, n)
    return pd.DataFrame(
        {
            "city": city,
            "state": city.map(STATES),
            "land": city.map(STATES).map(LANDS),
            "food": food,
            "rent": rent,
            "total": food + rent,
            "half": (food + rent) / 2,
        }
    )


@pytest.fixture(scope="module")
def generator():
    return dpgan.recipes.table(
        make(5000),
        dpgan.tables.TableSchema(COLUMNS, CONSTRAINTS),
        epsilon=20,
        delta=1e-6,
        components=50,
        verbose=0,
    )


def test_sums_and_dependencies_hold_in_every_row(generator):
    rows = generator.sample(3000, seed=0)
    assert len(rows) == 3000
    assert not generator.schema.violations(rows).any()
    known = rows[rows["rent"].notna()]
    assert (known["total"] == known["food"] + known["rent"]).all()
    assert (rows["half"] == rows["total"] / 2).all()
    assert (rows["food"] <= 90).all()
    assert (rows["city"].map(STATES) == rows["state"]).all()
    assert (rows["state"].map(LANDS) == rows["land"]).all()
    assert rows["city"].nunique() == 4


def test_dependencies_hold_with_conditions_and_in_the_export(generator, tmp_path):
    rows = generator.sample(200, conditions={"city": "Lyon"}, seed=0)
    assert (rows["state"] == "AR").all()
    assert (rows["land"] == "fr").all()
    rows = generator.sample(200, conditions={"city": "Lyon", "state": "BE"}, seed=0)
    assert (rows["state"] == "BE").all()
    assert (rows["land"] == "de").all()
    generator.export(tmp_path / "export")
    serve = tf.saved_model.load(str(tmp_path / "export")).signatures["serving_default"]
    values = serve(latents=tf.random.normal((300, generator.latent_dim)))
    for city, state in zip(
        values["city"].numpy(), values["state"].numpy(), strict=True
    ):
        assert STATES[city.decode()] == state.decode()
    loaded = dpgan.export.load(tmp_path / "export")
    pd.testing.assert_frame_equal(
        loaded.sample(40, seed=1), generator.sample(40, seed=1)
    )


def test_violations_are_told_gaps_and_rounding_are_none():
    schema = dpgan.tables.TableSchema(
        {"a": Numeric(0, 1), "b": Numeric(0, 1, nullable=True), "c": Numeric(0, 1)},
        ["c == a + b"],
    )
    rows = pd.DataFrame({"a": [0.1, 0.1, 0.1], "b": [0.2, 0.3, None], "c": [0.3] * 3})
    np.testing.assert_array_equal(schema.violations(rows), [False, True, False])
    schema = dpgan.tables.TableSchema(
        {name: COLUMNS[name] for name in ("city", "state")}, ["city -> state"]
    )
    rows = pd.DataFrame(
        {"city": ["Bonn"] * 3 + ["Lyon"], "state": ["NW", "NW", "BE", None]}
    )
    np.testing.assert_array_equal(schema.violations(rows), [False, False, True, False])


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        (["city -> food"], "must name two columns that are"),
        (["city -> nothing"], "must name two columns that are"),
        (["city -> state -> land"], "must name two columns that are"),
        (["city -> state", "state -> city"], "in no circle"),
        (["city -> land", "state -> land"], "lead to each column once"),
        (["city -> city"], "in no circle"),
    ],
)
def test_dependencies_that_cannot_be_kept_are_refused(constraints, message):
    with pytest.raises(ValueError, match=message):
        dpgan.tables.TableSchema(COLUMNS, constraints)


@pytest.mark.parametrize(
    "constraint", ["food + half - 0.123 == 0", "total == 0.5 * food + 1000"]
)
def test_an_equation_that_cannot_be_kept_says_how_to_write_it(generator, constraint):
    schema = dpgan.tables.TableSchema(COLUMNS, [constraint])
    wrong = dpgan.tables.TableGenerator(schema, 50)
    with pytest.raises(ValueError, match="alone on one side"):
        wrong.sample(50, seed=0)
