"""The privacy card: what it says, and what it refuses to say."""

import copy
import json
import shutil

import helpers
import hypothesis
import hypothesis.strategies as st
import keras
import pytest

from keras_dpgan import export
from keras_dpgan import privacy
from keras_dpgan.data import PoissonDataset
from keras_dpgan.export.schema import check_card


@pytest.fixture(scope="module")
def trained():
    gan = helpers.make_gan()
    gan.fit(*helpers.make_data(), batch_size=12, epochs=1, verbose=0)
    gan.delta = 1e-4
    return gan


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "generator"
    trained.export(folder, dataset_name="toy", include_num_examples=True)
    return folder


@pytest.fixture
def copied(exported, tmp_path):
    """An export that a test may spoil."""
    return shutil.copytree(exported, tmp_path / "copy")


def test_the_card_says_what_the_model_says(trained, exported):
    card = export.read_card(exported)
    assert card["private"]
    assert card["guarantee"]["epsilon"] == trained.epsilon(1e-4)
    assert card["guarantee"]["delta"] == 1e-4
    assert card["guarantee"]["neighbouring_relation"] == "add_or_remove_one"
    assert card["guarantee"]["l2_norm_clip"] == 1.0
    assert card["guarantee"]["updates"][0]["count"] == 10
    assert card["guarantee"]["updates"][0]["sampling_probability"] == 0.1
    assert card["generator"]["pixel_range"] == [-1, 1]
    assert card["generator"]["label_probabilities"] == [1 / 3] * 3
    assert card["dataset"] == {"name": "toy", "num_examples": 120}
    assert card["versions"]["keras"] == keras.__version__


def test_epsilon_follows_from_the_history_in_the_card(exported):
    card = export.read_card(exported)
    entries = [privacy.HistoryEntry.from_dict(e) for e in card["guarantee"]["updates"]]
    epsilon = privacy.epsilon(privacy.PrivacyHistory(entries), 1e-4)
    assert epsilon == card["guarantee"]["epsilon"]


def test_name_and_size_of_the_data_are_published_only_if_allowed(trained):
    card = trained.privacy_card()
    assert card["dataset"] == {"name": None, "num_examples": None}
    assert "120" not in json.dumps(card["guarantee"])


def test_a_caveat_does_not_give_the_size_away(trained):
    before = trained.delta
    trained.delta = 0.01
    card = trained.privacy_card()
    trained.delta = before
    assert card["summary"].startswith("DELTA IS TOO LARGE")
    assert "0.0083" not in json.dumps(card)


def test_a_model_that_was_loaded_without_its_optimizers_exports(trained, tmp_path):
    trained.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras", compile=False)
    card = loaded.privacy_card()
    expected = trained.privacy_card()["guarantee"]["updates"]
    assert card["guarantee"]["updates"] == expected


def test_the_summary_never_rounds_epsilon_down(trained):
    card = trained.privacy_card()
    said = float(card["summary"].split("epsilon = ")[1].split(" ")[0])
    assert card["guarantee"]["epsilon"] <= said <= card["guarantee"]["epsilon"] + 0.01


def test_the_readme_begins_with_the_guarantee(exported):
    card = export.read_card(exported)
    lines = (exported / "README.md").read_text().splitlines()
    assert lines[2] == f"**{card['summary']}**"
    text = "\n".join(lines)
    for expected in (
        f"epsilon | {card['guarantee']['epsilon']}",
        "delta | 0.0001",
        "unit of privacy | row",
        "one has one row more than the other",
        "10 with noise multiplier 1; Poisson sampling at rate 0.1",
        "cannot be guessed",
        "Name: toy",
        "Number of rows: 120",
        "in [-1, 1]",
        "keras_dpgan.sample",
    ):
        assert expected in text


def without_privacy():
    gan = helpers.make_gan(d_optimizer=keras.optimizers.Adam(1e-3), private=False)
    gan.fit(*helpers.make_data(), batch_size=12, epochs=1, verbose=0)
    return gan


def without_noise():
    gan = helpers.make_gan(d_optimizer=helpers.make_d_optimizer(noise_multiplier=0.0))
    gan.fit(*helpers.make_data(), batch_size=12, epochs=1, verbose=0)
    return gan


def without_training():
    return helpers.make_gan()


@pytest.mark.parametrize("make", [without_privacy, without_noise, without_training])
def test_a_model_without_a_guarantee_says_so_first(make, tmp_path):
    make().export(tmp_path / "generator")
    card = export.read_card(tmp_path / "generator")
    assert not card["private"]
    assert card["guarantee"] is None
    said = (tmp_path / "generator" / "privacy.json").read_text().splitlines()[:5]
    assert any("There is no privacy guarantee" in line for line in said)
    read = (tmp_path / "generator" / "README.md").read_text().splitlines()[:3]
    assert any("There is no privacy guarantee" in line for line in read)


@pytest.mark.parametrize("private_first", [True, False])
def test_training_without_privacy_is_not_forgotten(private_first, tmp_path):
    private = helpers.compile_defaults
    plain = {"d_optimizer": keras.optimizers.Adam(1e-3), "private": False}
    gan = helpers.make_gan(**{} if private_first else plain)
    gan.fit(*helpers.make_data(), batch_size=12, epochs=1, verbose=0)
    gan.compile(**{**private(), **(plain if private_first else {})})
    gan.fit(*helpers.make_data(), batch_size=12, epochs=1, verbose=0)
    assert not gan.privacy_card()["private"]
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras", compile=False)
    assert not loaded.privacy_card()["private"]
    loaded.compile(**private())
    loaded.fit(*helpers.make_data(), batch_size=12, epochs=1, verbose=0)
    assert not loaded.privacy_card()["private"]


def test_sampling_without_amplification_is_told(tmp_path):
    gan = helpers.make_gan()
    data = PoissonDataset(*helpers.make_data(), expected_batch_size=12, seed=0)
    gan.fit(data, epochs=1, verbose=0)
    gan.export(tmp_path / "generator")
    card = export.read_card(tmp_path / "generator")
    assert card["guarantee"]["neighbouring_relation"] == "replace_with_null"
    assert "from a seed" in (tmp_path / "generator" / "README.md").read_text()
    assert card["summary"].startswith("SEEDED SAMPLING")


@pytest.mark.parametrize(
    "name", ["saved_model.pb", "fingerprint.pb", "variables/variables.index"]
)
@pytest.mark.parametrize("fault", ["changed", "missing"])
def test_a_card_of_another_savedmodel_is_refused(copied, name, fault):
    file = copied / name
    if fault == "missing":
        file.unlink()
    else:
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    with pytest.raises(ValueError, match=f"does not belong.*{name}.*Received: path="):
        export.read_card(copied)


def test_an_added_file_of_the_savedmodel_is_refused(copied):
    (copied / "variables" / "variables.data-00001-of-00002").write_bytes(b"")
    with pytest.raises(ValueError, match="added since .*data-00001-of-00002"):
        export.load(copied)


def test_files_beside_the_savedmodel_are_none_of_the_cards_business(copied):
    (copied / "samples.png").write_bytes(b"")
    export.read_card(copied)


def test_a_folder_without_a_card_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="`path` must be.*Received: path="):
        export.read_card(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("[]", "`card` must be of type object"),
        ("{}", "have the key 'schema'"),
        ('{"private": NaN}', "must hold finite numbers. Received: NaN"),
        ('{"private": true, "private": false}', "a key twice"),
        ("[" * 100_000, "privacy.json"),
    ],
)
def test_a_damaged_card_is_refused(copied, text, message):
    (copied / "privacy.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        export.read_card(copied)


def change(card, path, value):
    *parents, last = path
    for key in parents:
        card = card[key]
    card[last] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("private",), 1, "`private` must be of type boolean"),
        (("private",), False, "`guarantee` must be of type null"),
        (("guarantee",), None, "`guarantee` must be of type object"),
        (("guarantee", "delta"), 1, "`guarantee.delta` must be below 1"),
        (("guarantee", "delta"), 0, "`guarantee.delta` must be above 0"),
        (("guarantee", "epsilon"), -0.1, "`guarantee.epsilon` must be at least 0"),
        (("guarantee", "epsilon"), "3", "must be of type number"),
        (("guarantee", "accountant"), "mine", r"must be one of \['pld', 'rdp'\]"),
        (("guarantee", "assumptions"), [], "must have at least 1 items"),
        (("guarantee", "note"), "", "must have no key but"),
        (("guarantee", "updates", 0, "count"), 1.5, r"updates\[0\].count` must be of"),
        (("generator", "pixel_range"), [0], "must have at least 2 items"),
        (("files", "saved_model.pb"), "abc", "must match"),
        (("schema",), "urn:keras-dpgan:another-card:2", "must be 'urn:keras-dpgan:pr"),
        (("schema",), "urn:keras-dpgan:privacy-card:3", "cannot read this version"),
    ],
)
def test_a_card_that_breaks_the_schema_is_refused_by_field(
    trained, path, value, message
):
    card = trained.privacy_card()
    change(card, path, value)
    with pytest.raises(ValueError, match=f"{message}.*Received"):
        check_card(card)


def test_the_schema_is_one_that_validators_accept():
    jsonschema = pytest.importorskip("jsonschema")
    schema = export.card_schema()
    jsonschema.Draft202012Validator.check_schema(schema)


def places(value, path=()):
    yield path
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from places(entry, (*path, key))
    elif isinstance(value, list):
        for i, entry in enumerate(value):
            yield from places(entry, (*path, i))


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.sampled_from([0.0, 1.0, -0.5, 0.5, 1e-5, 1e9]),
    st.sampled_from(["", "pld", "gaussian", "add_or_remove_one", "f" * 64]),
    st.just([]),
    st.just({}),
)


@hypothesis.settings(deadline=None, max_examples=300)
@hypothesis.given(data=st.data())
def test_our_check_and_a_json_schema_validator_agree(trained_card, data):
    jsonschema = pytest.importorskip("jsonschema")
    card = copy.deepcopy(trained_card)
    path = data.draw(st.sampled_from(list(places(card))[1:]))
    if isinstance(path[-1], str) and data.draw(st.booleans()):
        parent = card
        for key in path[:-1]:
            parent = parent[key]
        del parent[path[-1]]
    else:
        change(card, path, data.draw(VALUES))
    try:
        check_card(card)
        ours = True
    except ValueError:
        ours = False
    validator = jsonschema.Draft202012Validator(export.card_schema())
    assert ours == validator.is_valid(card)


@pytest.fixture(scope="module")
def trained_card(trained):
    return trained.privacy_card()


def test_adaptive_clipping_is_told():
    pytest.importorskip("tensorflow_privacy")
    from keras_dpgan import optimizers

    query = {
        "initial_l2_norm_clip": 0.5,
        "noise_multiplier": 1.0,
        "target_unclipped_quantile": 0.5,
        "learning_rate": 0.2,
        "clipped_count_stddev": 2.0,
        "expected_num_records": 12.0,
    }
    optimizer = optimizers.DPKerasSGDOptimizer(dp_sum_query=query, learning_rate=0.01)
    gan = helpers.make_gan(d_optimizer=optimizer)
    gan.fit(*helpers.make_data(), batch_size=12, epochs=1, verbose=0)
    card = gan.privacy_card()
    assert card["guarantee"]["l2_norm_clip"] > 0
    assert card["guarantee"]["updates"][0]["clipped_count_stddev"] == 2.0


def test_the_card_says_what_an_attacker_can_do(trained, exported):
    attack = export.read_card(exported)["guarantee"]["attack"]
    curve = privacy.trade_off(trained.privacy_history)
    assert attack["rates"] == [
        {"false_positive_rate": r, "true_positive_rate": curve.true_positive_rate(r)}
        for r in (0.001, 0.01, 0.1)
    ]
    assert attack["advantage"] == curve.advantage
    assert attack["gdp_mu"] == curve.gdp_mu(1e-4)
    assert attack["gdp_mu_from_rate"] == 1e-4
    text = (exported / "README.md").read_text()
    assert "where 1.0% of outsiders may be accused |" in text
    assert "An attacker who may accuse 1 in 100 outsiders wrongly can" in text


def test_the_card_has_the_fields_of_a_registry_of_deployments(trained, tmp_path):
    trained.export(
        tmp_path / "generator",
        preprocessing="Rows of adults alone.",
        justification="The ethics board allows epsilon 10.",
    )
    card = export.read_card(tmp_path / "generator")
    deployment = card["deployment"]
    assert deployment["trust_model"] == "central"
    assert deployment["mechanisms"] == ["Gaussian noise on a clipped sum"]
    assert "10 releases, by privacy loss distributions" in deployment["composition"]
    assert deployment["preprocessing"] == "Rows of adults alone."
    assert deployment["justification"] == "The ethics board allows epsilon 10."
    text = (tmp_path / "generator" / "README.md").read_text()
    assert "justification | The ethics board allows epsilon 10." in text


@pytest.mark.parametrize("name", ["preprocessing", "justification"])
@pytest.mark.parametrize("value", ["", " ", 7, ["why"]])
def test_a_text_for_the_card_is_a_text(trained, tmp_path, name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be a text"):
        trained.export(tmp_path / "generator", **{name: value})
    assert not (tmp_path / "generator").exists()


def test_a_card_of_a_later_version_names_who_reads_it(copied):
    card = json.loads((copied / "privacy.json").read_text())
    card["schema"] = "urn:keras-dpgan:privacy-card:3"
    card["versions"]["keras_dpgan"] = "9.8.7"
    (copied / "privacy.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match=r"keras_dpgan 9\.8\.7 has written it"):
        export.read_card(copied)
