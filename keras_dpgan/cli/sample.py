"""Draws from an export: `python -m keras_dpgan.sample EXPORT --n=1000 --out=FILE`.

The training code is not needed, since an export is a SavedModel with a privacy card.
"""

import pathlib
import sys

from absl import app
from absl import flags

from keras_dpgan._utils import validate
from keras_dpgan.data.sample_files import write_samples
from keras_dpgan.export.loading import ExportedGenerator
from keras_dpgan.export.loading import load


def define_flags():
    """Defines the flags of the command."""
    flags.DEFINE_integer("n", 1000, "How many samples to draw.")
    flags.DEFINE_string(
        "out",
        None,
        "The file to write: .npz (arrays x and y), .tfrecord (an example per sample) "
        "or .png (all samples in one picture); of a table .csv.",
        required=True,
    )
    flags.DEFINE_integer(
        "seed", None, "Seed to repeat a draw. Default: fresh samples each time."
    )
    flags.DEFINE_integer(
        "label",
        None,
        "The label of all samples of a conditional generator. Default: drawn from "
        "the public prior.",
    )


def draw(path, n, out, seed=None, label=None):
    """Draws from an export to a file.

    Samples are drawn and written in chunks, so memory does not grow with `n`.

    Args:
        path: The folder of the export.
        n: Positive int, the number of samples.
        out: The file to write or to replace; see `write_samples`.
        seed: Non-negative int, to repeat a draw. Defaults to `None`.
        label: Int, the label of all samples. Defaults to `None`: labels are drawn.

    Returns:
        The export's privacy card, a dict.

    Raises:
        FileNotFoundError: If there is no export.
        ValueError: If an argument or the export's card is wrong.
    """
    validate.check_int("n", n, minimum=1)
    generator = load(path)
    card = generator.privacy_card()
    if not isinstance(generator, ExportedGenerator):
        return _draw_table(generator, n, out, seed, label)
    write_samples(
        pathlib.Path(out),
        generator.batches(n, label, seed),
        n,
        card["generator"]["row_shape"],
        card["generator"]["pixel_range"],
    )
    return card


def _draw_table(generator, n, out, seed, label):
    """Draws rows of a table into a CSV; arguments as those of `draw`."""
    from keras_dpgan.tables.writing import write_rows

    if label is not None:
        raise ValueError(
            "`label` must be None for a table; `export.load(path).sample` takes "
            f"`conditions`. Received: label={label}."
        )
    write_rows(out, generator, n, seed)
    return generator.privacy_card()


def main(argv):
    """Runs the command."""
    if len(argv) != 2:
        raise app.UsageError(
            f"Give one folder, that of the export. Received: {argv[1:]}"
        )
    given = flags.FLAGS
    try:
        card = draw(argv[1], given.n, given.out, given.seed, given.label)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    print(f"Wrote {given.n} samples to {given.out}.\n{card['summary']}")


if __name__ == "__main__":
    define_flags()
    app.run(main)
