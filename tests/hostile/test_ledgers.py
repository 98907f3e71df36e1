"""Ledgers with content that no run of ours has written."""

import json

import hypothesis
import hypothesis.strategies as st
import pytest
from hostile.damage import JSON
from hostile.damage import SETTINGS
from hostile.damage import damaged
from hostile.damage import with_foreign_value

from keras_dpgan import privacy
from keras_dpgan._utils.append_only_file import AppendOnlyFile
from keras_dpgan.privacy import Ledger

NAME = "hospital 2026"


def write_a_ledger(path):
    entry = privacy.HistoryEntry(
        mechanism="gaussian", noise_multiplier=1.0, sampling_probability=0.01
    )
    with Ledger(path, NAME) as ledger:
        ledger.reserve(ledger.start_run(entry), 100)
        ledger.spend(entry.with_count(7), purpose="audit")
    return path.read_bytes()


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    return write_a_ledger(tmp_path_factory.mktemp("ledger") / "ledger")


@SETTINGS
@hypothesis.given(data=st.data())
def test_a_damaged_ledger_is_refused_and_left_as_it_is(tmp_path, content, data):
    path = tmp_path / "ledger"
    changed = data.draw(damaged(content))
    path.write_bytes(changed)
    try:
        contents = Ledger.read(path)
    except ValueError as error:
        assert str(path) in str(error)
        if "is empty" not in str(error):
            with pytest.raises(ValueError, match="damaged in line"):
                Ledger(path, NAME)
            assert path.read_bytes() == changed
    else:
        # Whole lines from the first on: what a kill leaves, and nothing else.
        lines = contents.head[0]
        assert changed.split(b"\n")[:lines] == content.split(b"\n")[:lines]


def entries_of(content):
    return [json.loads(line)["entry"] for line in content.splitlines()]


@SETTINGS
@hypothesis.given(data=st.data())
def test_foreign_content_with_fitting_checksums_is_refused_or_counted(
    tmp_path, content, data
):
    entries = entries_of(content)
    number = data.draw(st.integers(0, len(entries) - 1))
    entries[number] = data.draw(with_foreign_value(entries[number]))
    path = tmp_path / "ledger"
    path.unlink(missing_ok=True)
    file = AppendOnlyFile(path, "ledger")
    try:
        for entry in entries:
            file.append(entry)
    except (ValueError, TypeError):  # No JSON, such as a NaN.
        return
    finally:
        file.close()
    try:
        contents = Ledger.read(path)
    except ValueError as error:
        assert str(path) in str(error)
        return
    assert contents.total_updates >= 0
    assert contents.epsilon(1e-5, accountant="rdp") >= 0
    assert all(line.isprintable() for line in contents.report().splitlines())


@SETTINGS
@hypothesis.given(value=JSON)
def test_any_json_in_the_place_of_a_ledger_is_refused(tmp_path, value):
    path = tmp_path / "ledger"
    path.write_text(json.dumps(value) + "\n")
    with pytest.raises(ValueError, match="damaged in line 1"):
        Ledger.read(path)


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "\ud800", "\u202egnp.exe"])
def test_text_that_a_terminal_would_obey_is_refused(tmp_path, text):
    with pytest.raises(ValueError, match="`data_name` must be"):
        Ledger(tmp_path / "ledger", text)
    assert not (tmp_path / "ledger").read_bytes()
