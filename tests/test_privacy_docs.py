"""Each test that `docs/privacy.md` relies on is there."""

import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]
TESTS = ROOT / "tests"
NUM_PITFALLS = 52


def text():
    return (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")


def test_every_pitfall_has_its_row():
    rows = re.findall(r"^\| (\d+) \| .+ \| .+ \| .+ \|$", text(), re.MULTILINE)
    assert [int(row) for row in rows] == list(range(1, NUM_PITFALLS + 1))


def test_every_test_named_exists():
    named = re.findall(r"`(test_\w+)`", text())
    assert named
    defined = set()
    for path in TESTS.rglob("test_*.py"):
        defined |= set(re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE))
    assert [name for name in named if name not in defined] == []


def test_every_test_file_named_exists():
    named = re.findall(r"`((?:tests/)?(?:\w+/)*test_\w+\.py|tests/\w+)`", text())
    assert named
    missing = [name for name in named if not _exists(name)]
    assert missing == []


def _exists(name):
    if name.startswith("tests/"):
        return (ROOT / name).exists()
    return any(TESTS.rglob(name))
