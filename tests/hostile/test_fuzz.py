"""A fixed number of runs of each fuzzer, where atheris is installed."""

import importlib.util
import json
import pathlib
import subprocess
import sys

import helpers
import pytest
from hostile import test_idx_files
from hostile.test_ledgers import write_a_ledger

from keras_dpgan.export.card import CARD_NAME

FUZZ = pathlib.Path(__file__).with_name("fuzz.py")


def idx_files(folder):
    del folder
    return [test_idx_files.IMAGES, test_idx_files.FLOATS, test_idx_files.GZIPPED]


def ledgers(folder):
    return [write_a_ledger(folder / "valid")]


def entries(folder):
    lines = write_a_ledger(folder / "valid").splitlines()
    return [json.dumps(json.loads(line)["entry"]).encode() for line in lines]


def cards(folder):
    gan = helpers.make_gan()
    gan.fit(*helpers.make_data(), batch_size=60, verbose=0)
    gan.export(folder / "generator")
    return [(folder / "generator" / CARD_NAME).read_bytes()]


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris has Linux wheels only"
)
@pytest.mark.parametrize(
    ("reader", "valid"),
    [("idx", idx_files), ("ledger", ledgers), ("entry", entries), ("card", cards)],
)
def test_no_file_makes_a_reader_fail_in_another_way_than_it_says(
    tmp_path, reader, valid
):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, content in enumerate(valid(tmp_path)):
        (corpus / str(number)).write_bytes(content)
    command = [sys.executable, str(FUZZ), reader, str(corpus)]
    # A process begins with the largest size of the one that made it.
    command += ["-runs=20000", "-seed=1", "-rss_limit_mb=0"]
    done = subprocess.run(
        command,
        cwd=tmp_path,  # A failure leaves its input there.
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Done 20000 runs" in done.stderr
