"""What one row, or one person, can move of all that a generator is made from."""

import dp_accounting
import numpy as np
import pytest
from dp_accounting.pld import pld_privacy_accountant
from tables.conftest import make_table
from tables.conftest import shorten
from tables.replay import gaussian_distance
from tables.replay import squared_shift

import keras_dpgan as dpgan
from keras_dpgan.tables import calibration
from keras_dpgan.tables import fitting
from keras_dpgan.tables import release

pd = pytest.importorskip("pandas")

ODD_ROWS = {
    "ordinary": (30, "a", 0.0, "2020-05-01", True),
    "out of range": (1e9, "zzz", -7.0, "1999-01-01", False),
    "gaps": (None, None, None, None, None),
    "infinite": (np.inf, "b", -np.inf, "2020-12-31", True),
}


def short(target, wide=False, **kwargs):
    """`recipes.table` with few training steps, whatever was undone."""

    def fit(schema, rows):
        with pytest.MonkeyPatch.context() as patch:
            shorten(patch, 3)
            if wide:
                patch.setattr(fitting, "MOST_SCORED_PAIRS", 0)
            return dpgan.recipes.table(
                rows, schema, target, epsilon=1.0, delta=1e-5, components=20, **kwargs
            )

    return fit


@pytest.mark.parametrize("target", [None, "rich", "age"])
@pytest.mark.parametrize("kind", sorted(ODD_ROWS))
@pytest.mark.parametrize("wide", [False, True])
def test_one_row_moves_all_releases_together_by_one(
    monkeypatch, schema, table, target, kind, wide
):
    row = dict(zip(["age", "work", "gain", "day", "rich"], ODD_ROWS[kind], strict=True))
    row["day"] = pd.to_datetime(row["day"])
    more = pd.DataFrame({name: [*table[name], row[name]] for name in row})
    fit = short(target, wide)
    allowed = dpgan.recipes.table_noise(1.0, 1e-5) ** -2.0
    shift = squared_shift(monkeypatch, lambda rows: fit(schema, rows), table, more)
    assert shift <= allowed * (1 + 1e-6)
    if kind == "ordinary":
        # It touches each table once, so that counts of tables are met exactly; each
        # score may move by one or less.
        plan = fitting.WIDE if wide else fitting.NARROW
        scores = sum(r.scores for r in plan.rounds)
        assert shift >= allowed * (1 - scores) * (1 - 1e-6)


@pytest.mark.parametrize("limit", [1, 2])
def test_a_person_moves_all_releases_together_by_one(monkeypatch, schema, table, limit):
    # Of other persons so many rows that all are kept, whatever the order.
    others = table[table["person"] != 7].groupby("person").head(limit)
    person = pd.concat([table[table["person"] == 7]] * 3)
    more = pd.concat([others, person], ignore_index=True)
    fit = short("rich", id_column="person", max_records_per_person=limit)
    generators = []

    def release_all(rows):
        generators.append(fit(schema, rows))

    shift = squared_shift(monkeypatch, release_all, others, more)
    entry = generators[0].history.entries[0]
    one_person = (limit / entry.noise_multiplier) ** 2
    assert shift <= one_person * (1 + 1e-6)
    statement = generators[0].privacy_statement()
    assert statement.max_records_per_person == limit
    assert statement.group_epsilon <= 1.0


PLANS = {"narrow": fitting.NARROW, "wide": fitting.WIDE}


def shares_of(plan):
    shares = [plan.singles]
    for round_ in plan.rounds:
        shares += [round_.scores, round_.measurements]
    return shares


@pytest.mark.parametrize("plan", PLANS)
def test_shares_of_the_budget_add_up_to_it(plan):
    assert sum(shares_of(PLANS[plan])) == pytest.approx(1.0)


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize(("epsilon", "delta"), [(0.2, 1e-5), (1.0, 1e-5), (8.0, 1e-9)])
def test_epsilon_is_that_of_dp_accounting(plan, epsilon, delta):
    noise = dpgan.recipes.table_noise(epsilon, delta)
    accountant = pld_privacy_accountant.PLDAccountant()
    events = [
        dp_accounting.GaussianDpEvent(noise / np.sqrt(share))
        for share in shares_of(PLANS[plan])
    ]
    accountant.compose(dp_accounting.ComposedDpEvent(events))
    assert accountant.get_epsilon(delta) == pytest.approx(epsilon, rel=5e-3)


@pytest.mark.parametrize("noise_multiplier", [0.1, 1.0, 30.0, 1e4])
def test_a_pick_tells_exactly_as_much_as_its_share_of_gaussian_noise(noise_multiplier):
    epsilon = calibration.exponential_epsilon(noise_multiplier)
    distance = gaussian_distance(epsilon)
    assert distance == pytest.approx(1 / noise_multiplier, rel=1e-5)


def test_picks_have_the_probabilities_of_the_exponential_mechanism():
    scores = np.array([0.0, 1.0, 3.0, -2.0])
    picks = [release.picked(scores, 2.0, 2.4) for _ in range(3000)]
    shares = np.bincount(picks, minlength=4) / len(picks)
    wanted = np.exp(0.6 * scores) / np.exp(0.6 * scores).sum()
    # The standard error of a share is 0.009 at most.
    np.testing.assert_allclose(shares, wanted, atol=0.045)


def test_the_noise_is_neither_smaller_nor_larger_than_stated():
    values, deviations = np.zeros(20_000), np.repeat([1.0, 5.0], 10_000)
    drawn = release.noisy(values, deviations) / deviations
    # The standard error of either is 0.007.
    assert drawn[:10_000].std() == pytest.approx(1.0, abs=0.04)
    assert drawn[10_000:].std() == pytest.approx(1.0, abs=0.04)
    assert (release.noisy(values, deviations) != drawn * deviations).all()


def test_weights_whose_squares_are_above_one_are_refused():
    tables = [np.zeros(3), np.zeros(3)]
    with pytest.raises(ValueError, match="squares must add up to one"):
        release.noisy_tables(tables, [0.9, 0.9], 1.0)


def test_the_ledger_has_the_release_before_its_noise_is_drawn(
    monkeypatch, schema, table, tmp_path
):
    seen = []

    def refuse(*args):
        seen.append(dpgan.privacy.Ledger.read(tmp_path / "x.ledger").runs)
        raise RuntimeError("killed")

    monkeypatch.setattr(release, "noisy", refuse)
    with dpgan.privacy.Ledger(tmp_path / "x.ledger", data_name="x") as ledger:
        with pytest.raises(RuntimeError, match="killed"):
            dpgan.recipes.table(table, schema, epsilon=1.0, delta=1e-5, ledger=ledger)
    assert seen[0][0].entry.noise_multiplier == dpgan.recipes.table_noise(1.0, 1e-5)
    assert seen[0][0].entry.count == 1


def test_bad_input_spends_nothing(schema, table, tmp_path):
    with dpgan.privacy.Ledger(tmp_path / "x.ledger", data_name="x") as ledger:
        for wrong in (
            {"target": "no such column"},
            {"epsilon": 0.0},
            {"delta": 2.0},
            {"components": 0},
            {"max_records_per_person": 2},
            {"id_column": "no such column"},
            {"table": table.drop(columns="age")},
            {"table": table.assign(age="old")},
            {"table": table.assign(work=1)},
            {"schema": {"age": None}},
        ):
            arguments = {
                "table": table,
                "schema": schema,
                "epsilon": 1.0,
                "delta": 1e-5,
                "ledger": ledger,
                **wrong,
            }
            with pytest.raises(ValueError, match="must"):
                dpgan.recipes.table(**arguments)
        assert not ledger.runs


def test_a_category_of_the_private_rows_alone_is_in_nothing_published(
    few_steps, schema, table, tmp_path
):
    table["work"] = table["work"].replace("zzz", "secret-employer")
    schema = dpgan.tables.TableSchema(
        {**schema.columns, "work": dpgan.tables.Categorical(["a", "b"])}
    )
    generator = dpgan.recipes.table(
        table, schema, "rich", epsilon=1.0, delta=1e-5, components=20
    )
    generator.export(tmp_path / "export")
    generator.save(tmp_path / "model.keras")
    generator.sample(500).to_csv(tmp_path / "rows.csv")
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or b"secret-employer" not in file.read_bytes(), file


def test_bounds_are_those_of_the_schema_and_not_of_the_rows(few_steps, schema, table):
    def cells(frame):
        return schema.encode(frame)

    apart = pd.concat([table, table.iloc[:1].assign(age=10**6, gain=-1e9)])
    np.testing.assert_array_equal(cells(table), cells(apart)[: len(table)])
    generator = dpgan.recipes.table(
        apart, schema, epsilon=1.0, delta=1e-5, components=20
    )
    rows = generator.sample(2000)
    assert rows["age"].between(0, 90).all()
    assert rows["gain"].dropna().between(0, 10).all()


def test_bounds_are_bought_and_their_price_is_part_of_the_budget(
    few_steps, schema, tmp_path
):
    rng = np.random.default_rng(0)
    table = make_table(3000).assign(pay=rng.uniform(20, 900, 3000))
    table.loc[0, "pay"] = 1e9
    table.loc[1, "pay"] = np.nan
    with dpgan.privacy.Ledger(tmp_path / "x.ledger", data_name="x") as ledger:
        low, high, entry = dpgan.tables.private_bounds(
            table, "pay", epsilon=0.5, delta=1e-5, ledger=ledger
        )
        assert 16 <= low <= 64
        assert 512 <= high <= 1024
        paid = dpgan.tables.TableSchema(
            {**schema.columns, "pay": dpgan.tables.Numeric(low, high)}
        )
        generator = dpgan.recipes.table(
            table,
            paid,
            epsilon=1.0,
            delta=1e-5,
            components=20,
            released=[entry],
            ledger=ledger,
        )
        assert [run.entry for run in ledger.runs] == list(generator.history.entries)
    assert len(generator.history.entries) == 2
    assert 0.99 < generator.privacy_statement().epsilon <= 1.0
    with pytest.raises(ValueError, match="above what was released"):
        dpgan.recipes.table(
            table, paid, epsilon=0.4, delta=1e-5, released=[entry], ledger=ledger
        )


def test_one_row_moves_the_counts_that_bounds_are_found_in_by_one(
    monkeypatch, schema, table
):
    for value in (30.0, -1e300, np.inf, np.nan):
        more = pd.DataFrame({"age": [*table["age"], value]})

        def fit(rows):
            return dpgan.tables.private_bounds(rows, "age", epsilon=1.0, delta=1e-5)

        shift = squared_shift(monkeypatch, fit, table, more)
        assert shift <= dpgan.recipes.table_noise(1.0, 1e-5) ** -2.0 * (1 + 1e-6)


@pytest.mark.parametrize("limit", [1, 2])
def test_which_rows_of_a_person_are_kept_does_not_depend_on_other_persons(
    monkeypatch, limit
):
    from keras_dpgan.tables import reading

    monkeypatch.setattr(reading, "_ROWS", 7)
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"person": rng.integers(0, 9, 60), "x": np.arange(60.0)})
    schema = dpgan.tables.TableSchema({"x": dpgan.tables.Numeric(0, 60)})

    def kept(frame):
        parts = reading.bounded_frames(frame, schema, "person", limit)
        found = pd.concat(parts)
        assert found["person"].value_counts().max() == limit
        return set(found.loc[found["person"] != 3, "x"])

    without = rows[rows["person"] != 3]
    assert kept(rows) == kept(without)


COMPANIONS = {
    "numbers": (dpgan.tables.Numeric(0, 9), [1, 5, 7.5]),
    "ints": (dpgan.tables.Categorical([1, 2**53, 7]), [1, 2**53, 8]),
    "texts": (dpgan.tables.Categorical(["1", "a"]), ["1", "a", "b"]),
    "truths": (dpgan.tables.Boolean(), [True, False, True]),
    "words": (dpgan.tables.Boolean(), ["true", "False", "no"]),
    "days": (dpgan.tables.Datetime("2020-01-01", "2021-01-01"), ["2020-03-01"] * 2),
}
ODD_VALUES = (None, np.nan, np.inf, -1, 2**60, 1.5, "true", "x", True, "2020-01-01", "")


@pytest.mark.parametrize("kind", sorted(COMPANIONS))
@pytest.mark.parametrize("odd", ODD_VALUES, ids=repr)
@pytest.mark.parametrize("first", [True, False])
def test_what_a_row_counts_as_does_not_depend_on_another_row(kind, odd, first):
    column, values = COMPANIONS[kind]
    values = values * 60
    alone = column.encode(pd.Series(values))
    together = [odd, *values] if first else [*values, odd]
    try:
        cells = column.encode(pd.Series(together))
    except ValueError:
        # Nothing is released then.
        return
    np.testing.assert_array_equal(cells[1:] if first else cells[:-1], alone)


def test_the_number_of_rows_is_neither_said_to_be_public_nor_published(
    few_steps, schema, table, tmp_path
):
    generator = dpgan.recipes.table(
        table, schema, "rich", epsilon=0.01, delta=1e-5, components=20
    )
    statement = generator.privacy_statement()
    assert not statement.num_examples_is_public
    text = " ".join(str(statement).split())
    assert "The number of rows is not: what is published depends on it" in text
    assert "Public: the number of rows" not in text
    # At this budget the noise hides it: 300 rows would be met by chance alone.
    assert generator.num_rows != len(table)
    generator.export(tmp_path / "export")
    card = dpgan.export.read_card(tmp_path / "export")
    assert card["guarantee"]["num_examples_is_public"] is False
