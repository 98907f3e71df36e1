"""Privacy cards with foreign content."""

import json

import helpers
import hypothesis
import hypothesis.strategies as st
import pytest
from hostile.damage import JSON
from hostile.damage import SETTINGS
from hostile.damage import damaged
from hostile.damage import with_foreign_value

from keras_dpgan import export
from keras_dpgan.export.card import CARD_NAME


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "generator"
    gan = helpers.make_gan()
    gan.fit(*helpers.make_data(), batch_size=60, verbose=0)
    gan.export(folder)
    return folder, (folder / CARD_NAME).read_bytes()


def read_or_refuse(folder, content):
    (folder / CARD_NAME).write_bytes(content)
    try:
        return export.read_card(folder)
    except ValueError as error:
        assert CARD_NAME in str(error) or "does not belong" in str(error)
        return None


@SETTINGS
@hypothesis.given(data=st.data())
def test_a_damaged_card_is_refused_or_still_fits_the_schema(exported, data):
    folder, content = exported
    card = read_or_refuse(folder, data.draw(damaged(content)))
    if card is not None:
        assert set(card) == set(json.loads(content))
        json.dumps(card, allow_nan=False)


@SETTINGS
@hypothesis.given(data=st.data())
def test_a_foreign_value_is_refused_or_fits_the_schema(exported, data):
    folder, content = exported
    card = data.draw(with_foreign_value(json.loads(content)) | JSON)
    read = read_or_refuse(folder, json.dumps(card).encode())
    assert read is None or read == card


@pytest.mark.parametrize(
    "text", [b'"epsilon": 1e999', b'"epsilon": -1e999', b'"epsilon": 1' + b"0" * 5000]
)
def test_a_number_that_no_float_holds_is_refused(exported, text):
    folder, content = exported
    start = content.index(b'"epsilon"')
    stop = content.index(b",", start)
    assert read_or_refuse(folder, content[:start] + text + content[stop:]) is None
