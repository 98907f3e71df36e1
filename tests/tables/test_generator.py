"""A private table in, rows like it out."""

import resource
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from tables.conftest import make_table
from tables.conftest import shorten

import keras_dpgan as dpgan

pd = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def schema():
    return dpgan.tables.TableSchema(
        {
            "age": dpgan.tables.Numeric(0, 90, bins=6, integer=True),
            "work": dpgan.tables.Categorical(["a", "b"], other="other"),
            "gain": dpgan.tables.Numeric(0, 10, point_masses=[0], nullable=True),
            "day": dpgan.tables.Datetime("2020-01-01", "2020-12-31", bins=6),
            "rich": dpgan.tables.Boolean(),
        }
    )


@pytest.fixture(scope="module")
def generator(schema):
    return dpgan.recipes.table(
        make_table(20_000), schema, "rich", epsilon=50.0, delta=1e-6, components=200
    )


def test_with_a_large_budget_rows_are_like_the_table(generator, schema):
    table = make_table(20_000)
    rows = generator.sample(20_000, seed=1)
    assert list(rows.columns) == list(schema.names)
    assert abs(generator.num_rows - 20_000) < 100
    for order in (1, 2, 3):
        distance = dpgan.evaluation.total_variation(rows, table, schema, order)
        fresh = dpgan.evaluation.total_variation(
            make_table(20_000, 1), table, schema, order
        )
        assert distance < 1.5 * fresh + 0.01
    assert abs(rows["rich"].mean() - table["rich"].mean()) < 0.01
    assert abs((rows["gain"] == 0).mean() - (table["gain"] == 0).mean()) < 0.01
    assert abs(rows["gain"].isna().mean() - table["gain"].isna().mean()) < 0.01


def test_a_seed_repeats_rows_and_parts_are_those_of_the_whole(generator):
    rows = generator.sample(2500, seed=7)
    pd.testing.assert_frame_equal(rows, generator.sample(2500, seed=7))
    parts = list(generator.batches(2500, seed=7))
    pd.testing.assert_frame_equal(rows, pd.concat(parts, ignore_index=True))
    assert not rows.equals(generator.sample(2500))
    assert len(generator.sample(0)) == 0


def test_conditions_are_kept_and_the_rest_follows_from_them(generator):
    table = make_table(20_000)
    rows = generator.sample(4000, conditions={"age": 80}, seed=0)
    assert (rows["age"] == 80).all()
    alike = table[table["age"].between(75, 90)]
    assert abs(rows["rich"].mean() - alike["rich"].mean()) < 0.06
    each = np.array([True, False] * 100)
    rows = generator.sample(200, conditions={"rich": each, "gain": None}, seed=0)
    np.testing.assert_array_equal(rows["rich"], each)
    assert rows["gain"].isna().all()
    assert rows["age"][each].mean() > rows["age"][~each].mean() + 20


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"nothing": 1}, "must be a column of the schema"),
        ({"rich": [True]}, "must have a value, or 3 values"),
        ({"day": "never"}, "must hold dates"),
        ({"rich": None}, "that the column 'rich' has"),
        (["rich"], "must be a dict"),
    ],
)
def test_conditions_that_do_not_fit_are_refused(generator, conditions, message):
    with pytest.raises(ValueError, match=message):
        generator.sample(3, conditions=conditions)


def test_saved_loaded_and_exported_it_draws_the_same(generator, tmp_path):
    rows = generator.sample(50, seed=3)
    generator.save(tmp_path / "table.keras")
    loaded = keras.models.load_model(tmp_path / "table.keras")
    pd.testing.assert_frame_equal(rows, loaded.sample(50, seed=3))
    assert loaded.history == generator.history
    generator.export(tmp_path / "export")
    export = dpgan.export.load(tmp_path / "export")
    pd.testing.assert_frame_equal(rows, export.sample(50, seed=3))
    card = export.privacy_card()
    assert card["guarantee"]["epsilon"] == pytest.approx(50.0, rel=1e-2)
    assert card["guarantee"]["neighbouring_relation"] == "add_or_remove_one"
    with pytest.raises(FileExistsError, match="must be a folder that does not exist"):
        generator.export(tmp_path / "export")


def test_the_saved_model_gives_named_columns(generator, tmp_path):
    generator.export(tmp_path / "export")
    serve = tf.saved_model.load(str(tmp_path / "export")).signatures["serving_default"]
    latents = tf.random.normal((500, generator.latent_dim))
    values = serve(latents=latents)
    assert set(values) == {*generator.schema.names, "gain.is_null"}
    assert set(values["work"].numpy()) <= {b"a", b"b", b"other"}
    assert values["age"].dtype == tf.int64
    age = values["age"].numpy()
    assert 0 <= age.min() < age.max() <= 90


def test_an_export_is_drawn_from_by_the_command(generator, tmp_path):
    from keras_dpgan.cli import sample

    generator.export(tmp_path / "export")
    sample.draw(tmp_path / "export", 30, tmp_path / "rows.csv", seed=1)
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert list(rows.columns) == list(generator.schema.names)
    assert len(rows) == 30
    with pytest.raises(ValueError, match=r"must be the path of a \.csv file"):
        sample.draw(tmp_path / "export", 30, tmp_path / "rows.npz")


def test_a_damaged_export_is_not_loaded(generator, tmp_path):
    generator.export(tmp_path / "export")
    file = tmp_path / "export" / "assets" / "table.json"
    file.write_text(file.read_text().replace('"other"', '"secret"'))
    with pytest.raises(ValueError, match=r"table\.json"):
        dpgan.export.load(tmp_path / "export")


def test_constraints_hold_in_every_row_and_impossible_ones_are_said(few_steps):
    columns = {
        "start": dpgan.tables.Numeric(0, 9, integer=True),
        "end": dpgan.tables.Numeric(0, 9, integer=True),
    }
    schema = dpgan.tables.TableSchema(columns, ["end >= start"])
    rng = np.random.default_rng(0)
    start = rng.integers(0, 10, 1000)
    table = pd.DataFrame({"start": start, "end": np.minimum(start + 2, 9)})
    generator = dpgan.recipes.table(table, schema, epsilon=1, delta=1e-5, components=20)
    rows = generator.sample(1000, seed=0)
    assert len(rows) == 1000
    assert (rows["end"] >= rows["start"]).all()
    generator.schema = dpgan.tables.TableSchema(columns, ["end > start + 100"])
    with pytest.raises(ValueError, match="must hold in one of a hundred rows"):
        generator.sample(10)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_table_of_hardly_any_rows_gives_noise_and_no_error(few_steps, schema, rows):
    generator = dpgan.recipes.table(
        make_table(300).iloc[:rows], schema, "rich", epsilon=1, delta=1e-5, components=9
    )
    assert len(generator.sample(10)) == 10


def test_columns_without_a_value_and_with_one_value_are_learned(few_steps, schema):
    table = make_table(300).assign(rich=True, gain=np.nan)
    generator = dpgan.recipes.table(
        table, schema, "rich", epsilon=50, delta=1e-5, components=9
    )
    rows = generator.sample(1000)
    assert rows["rich"].mean() > 0.8
    assert rows["gain"].isna().mean() > 0.8


def test_one_column_alone_is_learned(schema):
    alone = dpgan.tables.TableSchema({"work": schema.columns["work"]})
    generator = dpgan.recipes.table(
        make_table(3000), alone, epsilon=10, delta=1e-5, components=50
    )
    found = generator.sample(3000)["work"].value_counts(normalize=True)
    assert found["b"] == pytest.approx(0.5, abs=0.05)


def test_too_many_cells_are_refused_with_the_remedy_before_anything_is_spent(tmp_path):
    wide = dpgan.tables.TableSchema(
        {f"x{i}": dpgan.tables.Numeric(0, 1) for i in range(600)}
    )
    frame = pd.DataFrame({name: [0.5] for name in wide.names})
    with dpgan.privacy.Ledger(tmp_path / "x.ledger", "x") as ledger:
        with pytest.raises(ValueError, match="Use fewer bins"):
            dpgan.recipes.table(frame, wide, epsilon=1, delta=1e-5, ledger=ledger)
        assert not ledger.runs


def wide_table(columns, n):
    """Columns of which each third one goes with the next two; and their schema."""
    rng = np.random.default_rng(0)
    group = rng.random((n, columns // 3 + 1))
    frame = pd.DataFrame(
        {f"x{i}": 0.8 * group[:, i // 3] + 0.2 * rng.random(n) for i in range(columns)}
    )
    bins = {name: dpgan.tables.Numeric(0, 1, bins=5) for name in frame}
    return frame, dpgan.tables.TableSchema(bins)


def test_a_wide_table_is_learned_by_the_pairs_that_go_together(monkeypatch):
    shorten(monkeypatch, 60)
    frame, schema = wide_table(27, 20_000)
    generator = dpgan.recipes.table(
        frame, schema, "x0", epsilon=2, delta=1e-5, components=40, verbose=0
    )
    found = np.corrcoef(generator.sample(8000, seed=0).to_numpy().T)
    together = [found[i, i + 1] for i in range(26) if i % 3 < 2]
    apart = [found[i, i + 3] for i in range(24)]
    assert np.mean(together) > 0.5
    assert np.abs(apart).mean() < 0.15


@pytest.mark.slow
def test_five_hundred_columns_fit_into_memory(few_steps):
    frame, _ = wide_table(500, 2000)
    schema = dpgan.tables.TableSchema(
        {name: dpgan.tables.Numeric(0, 1) for name in frame}
    )
    generator = dpgan.recipes.table(frame, schema, "x0", epsilon=1, delta=1e-5)
    rows = generator.sample(10)
    assert rows.shape == (10, 500)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    assert peak < 8, f"{peak} GiB"


def test_files_give_the_counts_of_the_frame(few_steps, schema, tmp_path, monkeypatch):
    from keras_dpgan.recipes import table as recipe
    from keras_dpgan.tables import fitting
    from keras_dpgan.tables import reading

    del recipe
    seen = []
    monkeypatch.setattr(
        fitting, "fit", lambda counts, *args: seen.append(counts) or 10.0
    )
    monkeypatch.setattr(reading, "_ROWS", 70)
    table = make_table(300)
    table.to_csv(tmp_path / "rows.csv", index=False)
    table.to_parquet(tmp_path / "rows.parquet")
    for rows in (table, tmp_path / "rows.csv", str(tmp_path / "rows.parquet")):
        dpgan.recipes.table(rows, schema, "rich", epsilon=1, delta=1e-5, components=5)
    first, *others = seen
    for counts in others:
        for a, b in counts.pairs:
            np.testing.assert_array_equal(
                counts.table((False, a, b)), first.table((False, a, b))
            )
    assert first.table((False, 0, 1)).sum() == 300


def test_other_files_and_objects_are_refused(schema, tmp_path):
    for wrong in ("rows.xlsx", 3, None, [1, 2]):
        with pytest.raises(ValueError, match="`table` must be"):
            dpgan.recipes.table(wrong, schema, epsilon=1, delta=1e-5)


def test_without_pandas_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"keras-dpgan\[tables\]"):
        dpgan.tables.Datetime("2020-01-01", "2021-01-01")


def test_a_csv_of_persons_with_ids_of_text_and_gaps(few_steps, schema, tmp_path):
    table = make_table(300)
    table["person"] = [f"p{i}" if i % 7 else None for i in table["person"]]
    table.to_csv(tmp_path / "rows.csv", index=False)
    generator = dpgan.recipes.table(
        tmp_path / "rows.csv",
        schema,
        epsilon=50,
        delta=1e-5,
        components=5,
        id_column="person",
        max_records_per_person=2,
    )
    # Of a hundred persons of three rows a seventh has no id.
    assert generator.num_rows == pytest.approx(170, abs=15)


@pytest.mark.parametrize("limit", [None, 2])
def test_a_csv_of_a_header_alone_gives_noise_and_no_error(
    few_steps, schema, tmp_path, limit
):
    make_table(300).iloc[:0].to_csv(tmp_path / "rows.csv", index=False)
    persons = {"id_column": "person", "max_records_per_person": 2} if limit else {}
    generator = dpgan.recipes.table(
        tmp_path / "rows.csv", schema, epsilon=1, delta=1e-5, components=5, **persons
    )
    assert len(generator.sample(5)) == 5
