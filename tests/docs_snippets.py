"""The Python blocks of a page, run as one program."""

import pathlib
import re

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
