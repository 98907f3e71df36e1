"""From a private CSV to a synthetic one, a generator and what is proven.

`keras-dpgan synthesize private.csv --schema=schema.json --epsilon=1
--target=income --out=synthetic.csv --ledger=adult.ledger`
"""

import contextlib
import pathlib
import sys

from absl import app
from absl import flags

from keras_dpgan import privacy
from keras_dpgan import recipes
from keras_dpgan._utils import files
from keras_dpgan.tables.schema import TableSchema
from keras_dpgan.tables.writing import check_rows_path
from keras_dpgan.tables.writing import write_rows


def define_flags():
    """Defines the flags of the command."""
    flags.DEFINE_string(
        "schema",
        None,
        "JSON file of the table's public schema; `keras-dpgan schema` drafts one.",
        required=True,
    )
    flags.DEFINE_float("epsilon", None, "The budget.", required=True)
    flags.DEFINE_float("delta", 1e-5, "Must be below one in the number of rows.")
    flags.DEFINE_string("target", None, "The column to predict, if there is one.")
    flags.DEFINE_string(
        "out",
        None,
        "The .csv file to make. Beside it a folder is made with the generator, which "
        "ends with _generator, and a text on privacy, which ends with _privacy.txt.",
        required=True,
    )
    flags.DEFINE_integer("n", None, "Rows. Default: about as many as there are.")
    flags.DEFINE_string(
        "ledger", None, "File where all is entered that is spent on these rows."
    )
    flags.DEFINE_string("id_column", None, "Who a row is of, if persons have several.")
    flags.DEFINE_integer(
        "max_records_per_person", 1, "Rows that are used of each person."
    )


def synthesize(
    path,
    schema,
    out,
    *,
    epsilon,
    delta,
    target=None,
    n=None,
    ledger=None,
    id_column=None,
    max_records_per_person=1,
    say=print,
    verbose="auto",
):
    """Learns a private table's rows and writes synthetic ones.

    Args:
        path: The private CSV or Parquet file.
        schema: Path of the schema's JSON file.
        out: The CSV to make; it and what is made beside it must not exist.
        epsilon: Positive float.
        delta: Float in (0, 1).
        target: Name of a column. Defaults to `None`.
        n: Positive int, rows to draw. Defaults to `None`: as many as there are, about.
        ledger: Path of a `privacy.Ledger`. Defaults to `None`.
        id_column: As in `recipes.table`.
        max_records_per_person: As in `recipes.table`.
        say: Function that is given the lines of the plan and of what was done.
        verbose: As in `recipes.table`. Defaults to `"auto"`.

    Raises:
        OSError: If a file is missing, or would be replaced.
        ValueError: If an argument does not fit. Nothing was spent then.
    """
    path, out = pathlib.Path(path), pathlib.Path(out)
    export = out.with_name(f"{out.stem}_generator")
    text = out.with_name(f"{out.stem}_privacy.txt")
    check_rows_path(out)
    for made in (out, export, text):
        if made.exists():
            raise FileExistsError(
                f"`out` must be a new place, but {str(made)!r} is there. Remove it, or "
                f"give another name. Received: out={str(out)!r}."
            )
    if n is not None and n < 1:
        raise ValueError(f"`n` must be at least 1. Received: n={n}.")
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    schema = TableSchema.load(schema)
    noise = recipes.table_noise(epsilon, delta, max_records_per_person)
    out.parent.mkdir(parents=True, exist_ok=True)
    for line in _plan(schema, epsilon, delta, noise, max_records_per_person, ledger):
        say(line)
    with contextlib.ExitStack() as stack:
        if ledger is not None:
            ledger = stack.enter_context(_ledger(ledger, path.name))
        generator = recipes.table(
            path,
            schema,
            target,
            epsilon=epsilon,
            delta=delta,
            id_column=id_column,
            max_records_per_person=max_records_per_person,
            ledger=ledger,
            verbose=verbose,
        )
    n = generator.num_rows if n is None else n
    # First what can be drawn from again: a full disk then costs rows and no budget.
    generator.export(str(export))
    with files.complete_file(text) as file:
        file.write_text(f"{generator.privacy_statement()}\n", "utf-8")
    write_rows(out, generator, n)
    say(f"Wrote {n} rows to {out}, the generator to {export}, the proof to {text}.")


@contextlib.contextmanager
def _ledger(path, data_name):
    """A ledger; one that was begun here and in which nothing was entered is removed."""
    begun = not pathlib.Path(path).exists()
    with privacy.Ledger(path, data_name) as ledger:
        try:
            yield ledger
        finally:
            if begun and not ledger.runs:
                pathlib.Path(path).unlink()


def _plan(schema, epsilon, delta, noise, max_records_per_person, ledger):
    """What is going to be spent, and on what: lines."""
    unit = "one row"
    if max_records_per_person > 1:
        unit = f"a person with up to {max_records_per_person} rows"
    yield f"Budget: epsilon = {epsilon:g} at delta = {delta:g}, for {unit}."
    yield (
        f"Counts of {len(schema.names)} columns with {sum(schema.num_cells)} cells are "
        f"released in rounds as one Gaussian mechanism, noise multiplier {noise:.4g}."
    )
    yield f"Published besides: the schema, with the columns {', '.join(schema.names)}."
    if ledger is None:
        yield "No ledger: what other uses of these rows cost is not added up."
    else:
        yield f"Entered in the ledger {ledger} before any noise is drawn."


def main(argv):
    """Runs the command."""
    if len(argv) != 2:
        raise app.UsageError(f"Give one file, the private CSV. Received: {argv[1:]}")
    given = flags.FLAGS
    try:
        synthesize(
            argv[1],
            given.schema,
            given.out,
            epsilon=given.epsilon,
            delta=given.delta,
            target=given.target,
            n=given.n,
            ledger=given.ledger,
            id_column=given.id_column,
            max_records_per_person=given.max_records_per_person,
        )
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    define_flags()
    app.run(main)
