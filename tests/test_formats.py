"""What a reader makes of files of later versions, and of earlier ones."""

import contextlib
import json

import h5py
import helpers
import keras
import numpy as np
import pytest

from keras_dpgan import callbacks
from keras_dpgan import federated
from keras_dpgan import privacy
from keras_dpgan._utils.append_only_file import AppendOnlyFile
from keras_dpgan._utils.formats import Format
from keras_dpgan.federated import mechanism_fields
from keras_dpgan.mechanisms import secure_noise

LATER = {"written_by": "9.8.7"}
SAYS_WHO_READS_IT = "keras_dpgan 9.8.7 has written it: use that version or a later one"
ENTRY = privacy.HistoryEntry(mechanism="gaussian", noise_multiplier=2.0, count=3)


def of_a_later_version(values):
    return {**values, **LATER, "version": values["version"] + 1}


def with_a_field_that_must_be_known(values):
    return {**values, **LATER, "spent_elsewhere": 7}


def with_a_field_that_may_be_ignored(values):
    return {**values, **LATER, "color": "red", "may_ignore": ["color"]}


UNREADABLE = [of_a_later_version, with_a_field_that_must_be_known]
either_way = pytest.mark.parametrize("change", UNREADABLE)


def record_in(path, change):
    """Changes the privacy record in a weight file."""
    with h5py.File(path, "a") as file:
        names = []
        file.visit(names.append)
        name = next(name for name in names if name.endswith("vars/history"))
        content = change(json.loads(np.asarray(file[name]).tobytes()))
        del file[name]
        file[name] = np.frombuffer(json.dumps(content).encode(), np.uint8)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    gan = helpers.make_gan()
    with privacy.Ledger(folder / "ledger", "toy", block_size=4) as ledger:
        run = {"batch_size": 30, "verbose": 0, "ledger": ledger}
        resumable = callbacks.ResumableFit(folder)
        gan.fit(*helpers.make_data(), callbacks=[resumable], **run)
    return gan, folder


@either_way
def test_a_weight_file_of_a_later_version_is_refused(trained, tmp_path, change):
    gan, _ = trained
    gan.save_weights(tmp_path / "gan.weights.h5")
    record_in(tmp_path / "gan.weights.h5", change)
    with pytest.raises(ValueError, match=SAYS_WHO_READS_IT):
        gan.load_weights(tmp_path / "gan.weights.h5")


def test_what_a_weight_file_says_may_be_ignored_is_ignored(trained, tmp_path):
    gan, _ = trained
    gan.save_weights(tmp_path / "gan.weights.h5")
    record_in(tmp_path / "gan.weights.h5", with_a_field_that_may_be_ignored)
    loaded = helpers.make_gan()
    loaded.load_weights(tmp_path / "gan.weights.h5")
    assert loaded.privacy_history == gan.privacy_history


@pytest.mark.parametrize("names", [7, "color", [7], {"color": 1}])
def test_what_may_be_ignored_is_a_list_of_names(names):
    text = privacy.PrivacyHistory([ENTRY]).to_json()
    values = {**json.loads(text), "may_ignore": names}
    with pytest.raises(ValueError, match="`may_ignore` must be a list of the names"):
        privacy.PrivacyHistory.from_json(json.dumps(values))


def test_what_must_be_there_cannot_be_ignored():
    values = json.loads(privacy.PrivacyHistory([ENTRY]).to_json())
    del values["entries"]
    values["may_ignore"] = ["entries"]
    with pytest.raises(ValueError, match=r"missing=\['entries'\]"):
        privacy.PrivacyHistory.from_json(json.dumps(values))


@either_way
def test_a_history_of_a_later_version_is_refused(change):
    values = change(json.loads(privacy.PrivacyHistory([ENTRY]).to_json()))
    with pytest.raises(ValueError, match=SAYS_WHO_READS_IT):
        privacy.PrivacyHistory.from_json(json.dumps(values))


def test_a_history_with_an_unknown_field_in_an_entry_says_who_reads_it():
    values = {**json.loads(privacy.PrivacyHistory([ENTRY]).to_json()), **LATER}
    values["entries"][0]["spent_elsewhere"] = 7
    with pytest.raises(ValueError, match=f"unknown.*{SAYS_WHO_READS_IT}"):
        privacy.PrivacyHistory.from_json(json.dumps(values))


def rewritten(path, change):
    """Writes the lines of a file anew, with checksums that fit."""
    with contextlib.closing(AppendOnlyFile(path, "ledger")) as file:
        lines = [change(number, line) for number, line in enumerate(file.entries)]
    path.unlink()
    with contextlib.closing(AppendOnlyFile(path, "ledger")) as file:
        for line in lines:
            file.append(line)


def first(change):
    return lambda number, line: line if number else change(line)


@either_way
def test_a_ledger_of_a_later_version_is_refused(tmp_path, change):
    path = tmp_path / "ledger"
    with privacy.Ledger(path, "toy") as ledger:
        ledger.spend(ENTRY, "moments")
    rewritten(path, first(change))
    for read in (privacy.Ledger.read, lambda path: privacy.Ledger(path, "toy")):
        with pytest.raises(ValueError, match=SAYS_WHO_READS_IT):
            read(path)


def test_a_ledger_with_an_unknown_kind_of_line_says_who_reads_it(tmp_path):
    path = tmp_path / "ledger"
    with privacy.Ledger(path, "toy") as ledger:
        ledger.spend(ENTRY, "moments")

    def change(number, line):
        return {**line, **LATER} if number == 0 else {**line, "kind": "a new kind"}

    rewritten(path, change)
    with pytest.raises(ValueError, match=SAYS_WHO_READS_IT):
        privacy.Ledger.read(path)


@either_way
def test_a_checkpoint_of_a_later_version_is_refused(trained, tmp_path, change):
    _, folder = trained
    path = tmp_path / "checkpoint.weights.h5"
    path.write_bytes((folder / "checkpoint.weights.h5").read_bytes())
    with h5py.File(path, "a") as file:
        content = change(json.loads(file["keras_dpgan_checkpoint"][:].tobytes()))
        del file["keras_dpgan_checkpoint"]
        text = json.dumps(content).encode()
        file["keras_dpgan_checkpoint"] = np.frombuffer(text, np.uint8)
    gan = helpers.make_gan()
    with (
        privacy.Ledger(folder / "ledger", "toy") as ledger,
        pytest.raises(ValueError, match=SAYS_WHO_READS_IT),
    ):
        gan.fit(
            *helpers.make_data(),
            batch_size=30,
            verbose=0,
            ledger=ledger,
            callbacks=[callbacks.ResumableFit(tmp_path)],
        )


def test_a_checkpoint_fits_where_an_optimizer_has_a_further_argument(
    trained, tmp_path, monkeypatch
):
    gan, folder = trained
    path = tmp_path / "checkpoint.weights.h5"
    path.write_bytes((folder / "checkpoint.weights.h5").read_bytes())
    config = keras.optimizers.Adam.get_config
    monkeypatch.setattr(
        keras.optimizers.Adam, "get_config", lambda self: {**config(self), "new": 1}
    )
    later = helpers.make_gan()
    with privacy.Ledger(folder / "ledger", "toy") as ledger:
        run = {"batch_size": 30, "verbose": 0, "ledger": ledger}
        resumable = callbacks.ResumableFit(tmp_path)
        later.fit(*helpers.make_data(), callbacks=[resumable], **run)
    assert later.num_discriminator_updates == gan.num_discriminator_updates


def budget(path, noise_multiplier=2.0):
    mechanism = federated.GaussianUpdate(0.5, noise_multiplier)
    return federated.RoundBudget(path, mechanism, 50.0, 1e-3)


@pytest.fixture(autouse=True)
def _no_cryptography_needed(monkeypatch):
    # The files are about the mechanism's figures; nothing here draws noise.
    monkeypatch.setattr(secure_noise, "check_installed", lambda: None)


@either_way
def test_a_budget_file_of_a_later_version_is_refused(tmp_path, change):
    assert budget(tmp_path / "budget").pay()
    rewritten(tmp_path / "budget", first(change))
    with pytest.raises(ValueError, match=SAYS_WHO_READS_IT):
        budget(tmp_path / "budget").pay()


@pytest.mark.parametrize(
    "line",
    [
        {"round": "GaussianUpdate(l2_norm_clip=0.5, noise_multiplier=1.0)"},
        {"round": "LaplaceUpdate(l1_norm_clip=0.5, noise_multiplier=2.0)"},
        {"round": "os.system('exit')"},
        {"round": "GaussianUpdate(l2_norm_clip=0.5, noise_multiplier=2.0"},
        {"round": "GaussianUpdate(l2_norm_clip=0.5)"},
        {"round": "(" * 10_000},
        {"round": None},
        {"round": 7},
        {"another": 7},
        {},
        [],
        "a round",
    ],
)
def test_a_foreign_line_in_a_budget_file_is_refused(tmp_path, line):
    path = tmp_path / "budget"
    with contextlib.closing(AppendOnlyFile(path, "ledger")) as file:
        file.append(line)
    for ask in (budget(path).pay, budget(path).can_pay):
        with pytest.raises(ValueError, match=str(path)):
            ask()


def test_a_budget_file_of_another_mechanism_is_refused(tmp_path):
    assert budget(tmp_path / "budget").pay()
    with pytest.raises(ValueError, match="another mechanism"):
        budget(tmp_path / "budget", noise_multiplier=1.0).pay()


@either_way
def test_a_log_of_rounds_of_a_later_version_is_refused(tmp_path, change):
    with federated.RoundLog(tmp_path / "rounds", ENTRY) as log:
        log.begin()
    rewritten(tmp_path / "rounds", first(change))
    with pytest.raises(ValueError, match=SAYS_WHO_READS_IT):
        federated.RoundLog(tmp_path / "rounds", ENTRY)


@either_way
def test_the_result_of_a_round_of_a_later_version_is_refused(tmp_path, change):
    with federated.RoundLog(tmp_path / "rounds", ENTRY) as log:
        log.end(log.begin(), {"opened": True})
    rewritten(tmp_path / "rounds", lambda n, line: change(line) if n == 1 else line)
    with pytest.raises(ValueError, match=SAYS_WHO_READS_IT):
        federated.RoundLog(tmp_path / "rounds", ENTRY)


@either_way
def test_a_masking_client_of_a_later_version_is_refused(change):
    pytest.importorskip("cryptography")
    from keras_dpgan.federated import signatures
    from keras_dpgan.federated.masking_client import MaskingClient

    keys = [signatures.new_signing_key() for _ in range(2)]
    registry = signatures.Registry(map(signatures.verifying_key, keys))
    of = keys[0], registry, federated.Cohort(2)
    values = json.loads(MaskingClient(*of, "a run", 3).to_json())
    assert values["format"] == "keras_dpgan.masking_client"
    with pytest.raises(ValueError, match=SAYS_WHO_READS_IT):
        MaskingClient.from_json(json.dumps(change(values)), *of)


@either_way
def test_a_key_holder_opens_nothing_where_a_line_is_of_a_later_version(
    tmp_path, change
):
    from keras_dpgan.federated.opened_rounds import OpenedRounds
    from keras_dpgan.federated.opened_rounds import RefusedError

    rounds = OpenedRounds(tmp_path / "opened")
    rounds.enter("update", "a run", 0)
    rewritten(tmp_path / "opened", first(change))
    with pytest.raises(RefusedError, match=SAYS_WHO_READS_IT):
        rounds.enter("update", "another run", 0)


@pytest.mark.parametrize("noise_multiplier", [2.0, 1.0])
def test_a_message_names_its_format_and_its_mechanism(noise_multiplier):
    app = pytest.importorskip("flwr.app")
    from keras_dpgan.federated.flower import messages

    asked, own = (federated.GaussianUpdate(0.5, z) for z in (noise_multiplier, 2.0))
    content = messages.write([], mechanism=messages.mechanism_text(asked), round=1)
    facts = dict(content.config_records["facts"])
    assert (facts["format"], facts["version"]) == ("keras_dpgan.message", 2)
    _, read = messages.read(content)
    assert set(read) == {"mechanism", "round"}
    assert messages.is_mechanism(read["mechanism"], own) == (asked == own)
    content.config_records["facts"] = app.ConfigRecord({**facts, "version": 3})
    with pytest.raises(messages.InvalidMessageError, match="of a later version"):
        messages.read(content)


def test_a_field_that_a_file_is_too_old_for_stands_for_its_default():
    cohort = federated.Cohort(4, 1)
    of_default = federated.SharedNoise(cohort, 0.5, 2.0, num_parameters=10)
    other = federated.SharedNoise(cohort, 0.5, 2.0, 10, growth=0.02)
    old = mechanism_fields.write(of_default)
    del old["growth"], old["cohort"]["max_colluders"]
    assert mechanism_fields.are_of(old, of_default)
    assert not mechanism_fields.are_of(old, other)
    del old["noise_multiplier"]
    assert not mechanism_fields.are_of(old, of_default)


def test_a_missing_optional_field_has_the_value_that_stands_for_it():
    form = Format("x", 3, ("spent",), {"factor": 1})
    assert form.read({"spent": 7}) == {"spent": 7, "factor": 1}
    assert form.read(form.write(spent=7, factor=2)) == {"spent": 7, "factor": 2}
