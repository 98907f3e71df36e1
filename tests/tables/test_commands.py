"""From file to file, as typed."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

import keras_dpgan as dpgan
from keras_dpgan import privacy
from keras_dpgan.cli import main
from keras_dpgan.cli import synthesize

pd = pytest.importorskip("pandas")

ROOT = pathlib.Path(dpgan.__file__).parents[1]


@pytest.fixture
def files(table, schema, tmp_path):
    table.to_csv(tmp_path / "private.csv", index=False)
    schema.save(tmp_path / "schema.json")
    return tmp_path


def run(files, said=None, **changes):
    arguments = {
        "path": files / "private.csv",
        "schema": files / "schema.json",
        "out": files / "synthetic.csv",
        "epsilon": 1.0,
        "delta": 1e-5,
        "target": "rich",
        "ledger": files / "x.ledger",
        "say": [].append if said is None else said.append,
        **changes,
    }
    synthesize.synthesize(**arguments)


def test_a_private_csv_becomes_rows_a_generator_a_proof_and_a_ledger(
    few_steps, files, schema
):
    said = []
    run(files, said, n=77)
    assert "epsilon = 1 at delta = 1e-05, for one row" in said[0]
    rows = pd.read_csv(files / "synthetic.csv")
    assert len(rows) == 77
    assert list(rows.columns) == list(schema.names)
    export = dpgan.export.load(files / "synthetic_generator")
    assert export.privacy_card()["guarantee"]["epsilon"] <= 1.0
    assert "epsilon = 0.9995" in (files / "synthetic_privacy.txt").read_text()
    ledger = dpgan.privacy.Ledger.read(files / "x.ledger")
    assert [run.purpose for run in ledger.runs] == ["counts of a table"]


@pytest.mark.parametrize(
    "there", ["synthetic.csv", "synthetic_generator", "synthetic_privacy.txt"]
)
def test_what_is_there_is_not_replaced_and_nothing_is_spent(files, there):
    (files / there).write_text("mine")
    with pytest.raises(FileExistsError, match="must be a new place"):
        run(files)
    assert not (files / "x.ledger").exists()
    assert (files / there).read_text() == "mine"


@pytest.mark.parametrize(
    "wrong",
    [
        {"epsilon": -1.0},
        {"delta": 0.0},
        {"target": "nothing"},
        {"n": 0},
        {"out": "rows.txt"},
        {"max_records_per_person": 3},
        {"id_column": "nothing"},
    ],
)
def test_a_wrong_argument_spends_nothing_and_leaves_nothing(files, wrong):
    with pytest.raises(ValueError, match="must"):
        run(files, **wrong)
    left = {file.name for file in files.iterdir()}
    assert left == {"private.csv", "schema.json"}


def test_columns_that_do_not_fit_leave_no_ledger_and_one_that_is_there_as_it_is(files):
    table = pd.read_csv(files / "private.csv")
    for wrong in (table.drop(columns="age"), table.assign(age="old")):
        wrong.to_csv(files / "wrong.csv", index=False)
        with pytest.raises(ValueError, match="age"):
            run(files, path=files / "wrong.csv")
        assert not (files / "x.ledger").exists()
        assert not (files / "synthetic.csv").exists()
    with privacy.Ledger(files / "x.ledger", "wrong.csv"):
        pass
    before = (files / "x.ledger").read_bytes()
    with pytest.raises(ValueError, match="age"):
        run(files, path=files / "wrong.csv")
    assert (files / "x.ledger").read_bytes() == before


def test_the_fit_shows_a_bar_a_line_or_nothing(few_steps, files, capsys):
    for verbose, shown in ((1, "training step\x08"), ("auto", "10/10"), (0, None)):
        run(files, n=5, out=files / f"{verbose}.csv", verbose=verbose)
        said = capsys.readouterr().out
        assert said == "" if shown is None else shown in said
        # A bar that moves is for a terminal alone.
        assert ("\x08" in said) == (verbose == 1)
    with pytest.raises(ValueError, match="`verbose` must be"):
        run(files, out=files / "wrong.csv", verbose="loud")


@pytest.mark.slow
def test_the_commands_as_typed(files):
    def typed(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "keras_dpgan.cli.main", *arguments],
            cwd=files,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    done = typed("schema", "private.csv", "--out=draft.json")
    assert "must be public" in done.stdout, done.stderr
    assert json.loads((files / "draft.json").read_text())["columns"]
    done = typed(
        *("synthesize", "private.csv", "--schema=draft.json", "--epsilon=1"),
        *("--target=rich", "--out=out.csv", "--n=20"),
    )
    assert done.returncode == 0, done.stderr
    assert len(pd.read_csv(files / "out.csv")) == 20
    done = typed(
        *("report", "out.csv", "--schema=draft.json", "--train=private.csv"),
        *("--test=private.csv", "--target=rich"),
    )
    assert "not private" in done.stdout, done.stderr
    page = (files / "report" / "report.html").read_text("utf-8")
    assert "Differentially private with epsilon" in page
    done = typed("schema", "private.csv", "--out=draft.json")
    assert done.returncode == 1
    assert "must not exist" in done.stderr
    assert "synthesize" in typed("nothing").stderr


def test_the_command_shows_a_ledger(tmp_path, capsys, monkeypatch):
    path = tmp_path / "hospital.ledger"
    with privacy.Ledger(path, "hospital 2026"):
        pass
    monkeypatch.setattr("sys.argv", ["keras-dpgan", "ledger", str(path)])
    main.main()
    assert "hospital 2026" in capsys.readouterr().out
