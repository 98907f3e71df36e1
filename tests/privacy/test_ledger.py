"""The ledger: what it counts, and what it survives."""

import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys

import pytest

from keras_dpgan import privacy
from keras_dpgan._utils.append_only_file import AppendOnlyFile
from keras_dpgan.privacy import Ledger
from keras_dpgan.privacy.ledger import __main__ as command_line

NAME = "hospital 2026"


def entry(**values):
    return privacy.HistoryEntry(
        **{
            "mechanism": "gaussian",
            "noise_multiplier": 1.0,
            "sampling_probability": 0.01,
            **values,
        }
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger"


@pytest.fixture
def written(path):
    """A ledger of two runs, with 250 and 30 updates."""
    with Ledger(path, NAME) as ledger:
        run = ledger.start_run(entry())
        for _ in range(3):
            ledger.reserve(run, 100)
        ledger.release(run, 50)
        ledger.spend(entry(noise_multiplier=2.0, count=30), purpose="audit")
    return path


def test_what_was_reserved_and_not_released_counts(written):
    contents = Ledger.read(written)
    assert contents.data_name == NAME
    assert [run.purpose for run in contents.runs] == ["training", "audit"]
    assert contents.total_updates == 280
    assert contents.history() == privacy.PrivacyHistory(
        [entry(count=250), entry(noise_multiplier=2.0, count=30)]
    )
    assert contents.epsilon(1e-5) == privacy.epsilon(contents.history(), 1e-5)


def test_a_ledger_goes_on_where_it_was_closed(written):
    with Ledger(written, NAME) as ledger:
        assert ledger.total_updates == 280
        ledger.spend(entry(count=5), purpose="training")
    assert Ledger.read(written).total_updates == 285


def test_updates_are_handed_out_in_their_order(written):
    contents = Ledger.read(written)
    assert contents.updates_between(240, 255) == [
        entry(count=10),
        entry(noise_multiplier=2.0, count=5),
    ]
    assert contents.updates_between(280, 280) == []


def test_a_reservation_is_on_disk_when_it_returns(path, monkeypatch):
    synced = []
    fsync = os.fsync

    def recording(descriptor):
        fsync(descriptor)
        synced.append(os.fstat(descriptor).st_size)

    with Ledger(path, NAME) as ledger:
        run = ledger.start_run(entry())
        monkeypatch.setattr(os, "fsync", recording)
        ledger.reserve(run, 100)
    assert synced == [path.stat().st_size]


def test_the_name_of_a_new_ledger_is_on_disk(path, monkeypatch):
    folders = []
    fsync = os.fsync
    monkeypatch.setattr(
        os,
        "fsync",
        lambda d: (folders.append(os.path.realpath(f"/proc/self/fd/{d}")), fsync(d)),
    )
    Ledger(path, NAME).close()
    assert str(path.parent) in folders


def test_a_line_cut_short_anywhere_is_dropped_and_no_other(written):
    content = written.read_bytes()
    whole_lines = content.splitlines(keepends=True)
    for length in range(len(whole_lines[0]), len(content)):
        written.write_bytes(content[:length])
        # A line that lacks nothing but its line feed counts.
        lines = content[: length + 1].count(b"\n")
        assert Ledger.read(written).head[0] == lines
        if length % 10 and content[length : length + 1] != b"\n":
            continue
        with Ledger(written, NAME) as ledger:
            assert ledger.head[0] == lines
            ledger.spend(entry(count=7), purpose="after the cut")
        assert Ledger.read(written).runs[-1].entry.count == 7
        assert written.read_bytes().startswith(b"".join(whole_lines[:lines]))


def test_a_ledger_killed_before_its_first_line_is_begun_anew(path):
    path.write_bytes(b'{"line": 1, "chec')
    with pytest.raises(ValueError, match="empty"):
        Ledger.read(path)
    with Ledger(path, NAME) as ledger:
        assert ledger.head[0] == 1


def test_each_damaged_byte_is_found_and_its_line_named(written):
    content = written.read_bytes()
    for position in range(len(content)):
        for flip in (0x01, 0x80):
            damaged = bytearray(content)
            damaged[position] ^= flip
            written.write_bytes(damaged)
            line = content[:position].count(b"\n") + 1
            with pytest.raises(ValueError, match=f"in line {line}:"):
                Ledger.read(written)
    with pytest.raises(ValueError, match=f"in line {line}:"):
        Ledger(written, NAME)
    assert written.read_bytes() == bytes(damaged)


def test_a_missing_a_doubled_and_a_foreign_line_are_found(written):
    lines = written.read_bytes().splitlines(keepends=True)
    for wrong in (
        lines[:2] + lines[3:],
        lines[:3] + lines[2:],
        lines[:2] + [b'{"hello": "world"}\n'] + lines[2:],
    ):
        written.write_bytes(b"".join(wrong))
        with pytest.raises(ValueError, match="in line [34]:"):
            Ledger.read(written)


@pytest.mark.parametrize(
    "line",
    [
        {"kind": "rebate", "updates": 5},
        {"kind": "reserved", "run": 1, "updates": -5},
        {"kind": "reserved", "run": 2, "updates": 5},
        {"kind": "reserved", "run": 1, "updates": True},
        {"kind": "released", "run": 1, "updates": 10**9},
        {"kind": "reserved", "run": 1, "updates": 5, "self": 1},
        {"kind": ["reserved"]},
        {"kind": "ledger", "version": 1, "data_name": "b", "id": "c"},
        ["kind", "reserved"],
        "reserved",
    ],
)
def test_a_line_with_a_fitting_checksum_and_other_content_is_refused(path, line):
    with Ledger(path, NAME) as ledger:
        ledger.spend(entry(count=10), purpose="training")
    foreign = AppendOnlyFile(path, "ledger")
    foreign.append(line)
    foreign.close()
    with pytest.raises(ValueError, match="Line 4 of .* is not a line of a ledger"):
        Ledger.read(path)


def in_a_fork(work, meanwhile=lambda: None):
    """The error of `work` in a child, which lives on `meanwhile`."""
    ours, theirs = multiprocessing.Pipe()
    child = os.fork()
    if not child:
        try:
            work()
            theirs.send("no error")
        except RuntimeError as error:
            theirs.send(str(error))
        theirs.recv()
    try:
        error = ours.recv() if ours.poll(30) else "no answer"
        meanwhile()
        return error
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_one_at_a_time_may_write(path):
    with Ledger(path, NAME):
        with pytest.raises(RuntimeError, match="in use"):
            Ledger(path, NAME)
        assert "is in use" in in_a_fork(lambda: Ledger(path, NAME))
        assert Ledger.read(path).total_updates == 0
    Ledger(path, NAME).close()


def test_a_forked_worker_neither_writes_nor_keeps_others_out(path):
    ledger = Ledger(path, NAME)

    def work():
        ledger.start_run(entry())

    def check():
        ledger.close()
        Ledger(path, NAME).close()

    assert "is closed" in in_a_fork(work, meanwhile=check)
    assert Ledger.read(path).runs == ()


def test_other_data_need_a_ledger_of_their_own(written):
    with pytest.raises(ValueError, match="hospital 2026.*Received: data_name='bank'"):
        Ledger(written, "bank")
    with pytest.raises(ValueError, match="data_name"):
        Ledger(written.with_name("other"), "")
    Ledger(written, NAME).close()


def test_a_full_disk_stops_the_ledger_and_leaves_it_readable(written, monkeypatch):
    ledger = Ledger(written, NAME)
    run = ledger.start_run(entry())
    write = os.write

    def half_a_line(descriptor, data):
        if len(data) < 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", half_a_line)
    with pytest.raises(OSError, match="No space left.*Free some space"):
        ledger.reserve(run, 100)
    monkeypatch.undo()
    with pytest.raises(RuntimeError, match="closed"):
        ledger.reserve(run, 100)
    assert Ledger.read(written).total_updates == 280
    with Ledger(written, NAME) as again:
        again.spend(entry(count=1), purpose="training")
    assert Ledger.read(written).total_updates == 281


def test_a_head_tells_a_shortened_and_another_ledger(written, tmp_path):
    content = written.read_bytes()
    head = Ledger.read(written).head
    with Ledger(written, NAME) as ledger:
        ledger.spend(entry(count=1), purpose="training")
        ledger.check_head(head)
    written.write_bytes(b"".join(content.splitlines(keepends=True)[:-1]))
    with pytest.raises(ValueError, match="has 7 lines, but it had 8"):
        Ledger.read(written).check_head(head)
    other = tmp_path / "other"
    with Ledger(other, NAME) as ledger:
        for _ in range(8):
            ledger.spend(entry(count=1), purpose="training")
        with pytest.raises(ValueError, match="under another ledger"):
            ledger.check_head(head)


def test_entries_carry_their_relation_and_unequal_ones_stand_side_by_side(written):
    with Ledger(written, NAME) as ledger:
        once = entry(sampling_probability=None, max_participations=1, count=100)
        ledger.spend(once, purpose="shuffled batches")
    relations = [run.entry.relation for run in Ledger.read(written).runs]
    assert relations == ["add_or_remove_one", "add_or_remove_one", "replace_with_null"]
    lines = [json.loads(line)["entry"] for line in written.read_text().splitlines()]
    assert [line["relation"] for line in lines if line["kind"] == "run"] == relations
    epsilons = [
        line for line in str(Ledger.read(written)).splitlines() if "epsilon" in line
    ]
    assert len(epsilons) == 3
    poisson = privacy.PrivacyHistory(run.entry for run in Ledger.read(written).runs[:2])
    shown = f"epsilon = {privacy.epsilon(poisson, 1e-5):.4g} at delta = 1e-05"
    assert epsilons[0].startswith(shown)
    assert "add_or_remove_one" in epsilons[0]


def test_a_ledger_says_runs_updates_mechanism_sampling_and_epsilon(written, capsys):
    command_line.main([str(written), "--delta", "1e-6"])
    shown = capsys.readouterr().out
    epsilon = Ledger.read(written).epsilon(1e-6)
    for part in (
        NAME,
        "2 runs",
        "280 updates",
        "gaussian, noise multiplier 2",
        "Poisson, q=0.01",
        f"epsilon = {epsilon:.4g} at delta = 1e-06",
    ):
        assert part in shown
    assert shown.strip() == Ledger.read(written).report(1e-6)


def test_the_command_line_says_what_is_wrong(path, capsys):
    for content in (None, b"", b"{}\n"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(SystemExit) as exit_:
            command_line.main([str(path)])
        assert exit_.value.code == 1
        assert str(path) in capsys.readouterr().err


def test_the_module_runs(written):
    shown = subprocess.run(
        [sys.executable, "-W", "error", "-m", "keras_dpgan.privacy.ledger", written],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "280 updates" in shown.stdout
