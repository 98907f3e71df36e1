"""The Python blocks of a page, run as one program."""

import pathlib
import re
import unittest.mock

import numpy as np

ROOT = pathlib.Path(__file__).parents[1]
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    """The Python blocks of `page`, a path relative to the repository."""
    return _BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


def run(page, names):
    """Runs the blocks of a page, one after the other, with `names` in reach."""
    for number, block in enumerate(blocks(page), 1):
        exec(compile(block, f"{page}, block {number}", "exec"), names)
    return names


def run_readme_with_less_data():
    """Runs the blocks of README.md on 300 generated rows, for one epoch."""
    import keras_dpgan

    x = np.random.default_rng(0).uniform(-1, 1, (300, 28, 28, 1)).astype(np.float32)
    y = np.arange(300, dtype=np.int32) % 10
    program = "".join(blocks("README.md"))
    for written, smaller in (
        ("num_examples=60_000", "num_examples=300"),
        ("batch_size=256", "batch_size=60"),
        ("epochs=20", "epochs=1"),
    ):
        if written not in program:
            raise ValueError(f"README.md has no {written} any more.")
        program = program.replace(written, smaller)
    data = unittest.mock.patch.object(
        keras_dpgan.data, "load_fashion_mnist", lambda: ((x, y), None)
    )
    with data:
        exec(compile(program, "README.md", "exec"), {})
