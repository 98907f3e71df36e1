import base64
import html.parser
import io
import json
import re
import sys

import helpers
import numpy as np
import pytest
from PIL import Image

from keras_dpgan import evaluation
from keras_dpgan.evaluation import sheet

pytestmark = pytest.mark.usefixtures("quick_features")

QUICK = {"classifiers": ("logistic_regression",), "compare_with_real": False}
GREY = 201
HISTORY = {"g_loss": [1.0, 0.5], "d_loss_fake": [0.1, 0.2], "epsilon": [1.0, 2.0]}


@pytest.fixture(scope="module")
def black_and_white(digits):
    """Real images with a grey of their own, and samples in black and white."""
    (x, y), (x_test, y_test) = digits
    real = [np.where(rows > 0, GREY, 0).astype(np.uint8) for rows in (x, x_test)]
    samples = np.where(x > 0, 255, 0).astype(np.uint8)
    return (samples, y), (real[0], y), (real[1], y_test)


@pytest.fixture(scope="module")
def written(black_and_white, tmp_path_factory):
    """A folder with a report that has everything but real records."""
    folder = tmp_path_factory.mktemp("reports") / "new" / "report"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_dpgan.evaluation.features._NUM_UPDATES", 100)
        evaluation.report(
            *black_and_white,
            folder,
            statement="epsilon = 2 at delta = 1e-4",
            history=HISTORY,
            label_names=[f"digit <{i}>" for i in range(10)],
            title="Digits & co",
            **QUICK,
        )
    return folder


def page_in(folder):
    return (folder / "report.html").read_text(encoding="utf-8")


def shows_real_images(folder):
    """Whether a picture in the page has pixels of the real images' own grey."""
    found = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", page_in(folder))
    assert found
    for encoded in found:
        grey = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded)))) == GREY
        # Letters have smooth edges of any grey, but no block of one.
        if (grey[:-2, :-2] & grey[2:, :-2] & grey[:-2, 2:] & grey[2:, 2:]).any():
            return True
    return False


def test_writes_page_picture_and_numbers(written):
    names = {path.name for path in written.iterdir()}
    assert names == {"report.html", "report.png", "report.json"}
    stored = json.loads((written / "report.json").read_text())
    assert stored["private"] is False
    assert stored["history"] == HISTORY
    assert stored["accuracy"]["logistic_regression"]["samples"] > 0.5
    with Image.open(written / "report.png") as sheet:
        assert min(sheet.size) > 700


@pytest.mark.parametrize(
    "part",
    [
        "not covered by any privacy guarantee",
        "epsilon = 2 at delta = 1e-4",
        "Digits &amp; co",
        "digit &lt;3&gt;",
        "Accuracy, logistic regression",
        "Losses on generated rows",
    ],
)
def test_page_says(written, part):
    assert part in page_in(written)


def test_page_is_well_formed_and_needs_nothing_else(written):
    text = page_in(written)
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert parser.images > 0
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "<script" not in text
    assert "url(" not in text


class Balanced(html.parser.HTMLParser):
    """Checks that each tag is closed by its own."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.images = 0

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.images += 1
            assert dict(attrs)["alt"]
        elif tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_real_images_are_shown_only_when_asked_for(written, black_and_white, tmp_path):
    assert not shows_real_images(written)
    assert "REAL RECORDS" not in page_in(written)
    found = evaluation.report(
        *black_and_white, tmp_path, include_real_records=True, **QUICK
    )
    assert shows_real_images(tmp_path)
    assert "REAL RECORDS" in page_in(tmp_path)
    assert found["includes_real_records"]


def test_real_images_are_on_the_sheet_only_when_asked_for(
    black_and_white, tmp_path, monkeypatch
):
    drawn = []
    monkeypatch.setattr(sheet, "draw", lambda *args: drawn.append(args[-1]) or b"")
    evaluation.report(*black_and_white, tmp_path, **QUICK)
    assert drawn == [None]


def test_real_vectors_are_shown_only_when_asked_for(blobs, tmp_path):
    (x, y), (x_test, y_test) = blobs
    x = x.copy()
    x[:, 0] += 123_456
    x_test = x_test + np.float32([123_456, 0, 0, 0, 0])
    for asked in (False, True):
        evaluation.report(
            (x_test, y_test),
            (x, y),
            (x_test, y_test),
            tmp_path,
            include_real_records=asked,
            **QUICK,
        )
        text = page_in(tmp_path)
        assert ("<td>real</td>" in text) == asked


def test_copies_are_called_out_on_the_page(black_and_white, tmp_path):
    _, real, test = black_and_white
    evaluation.report(real, real, test, tmp_path, **QUICK)
    text = page_in(tmp_path)
    assert "Training rows were copied" in text
    assert "No copies found" not in text


def test_a_gan_and_its_export_bring_their_own_statement(tmp_path):
    gan = helpers.make_gan(3)
    data, test = helpers.make_data(300), helpers.make_data(100, seed=1)
    gan.fit(*data, batch_size=60, epochs=1, verbose=0)
    found = evaluation.report(gan, data, test, tmp_path, **QUICK)
    assert found["statement"] == str(gan.privacy_statement())
    gan.export(tmp_path / "export")
    found = evaluation.report(tmp_path / "export", data, test, tmp_path, **QUICK)
    assert "epsilon" in found["statement"]


def test_samples_without_a_statement_are_said_to_have_none(blobs, tmp_path):
    (x, _), (x_test, _) = blobs
    evaluation.report(x_test, x, x_test, tmp_path)
    text = page_in(tmp_path)
    assert "No privacy statement came with these samples" in text


def test_a_report_that_fails_leaves_the_old_one(blobs, tmp_path):
    (x, _), (x_test, _) = blobs
    evaluation.report(x_test, x, x_test, tmp_path, title="old")
    with pytest.raises(ValueError, match="rows of one shape"):
        evaluation.report(x_test[:, :3], x, x_test, tmp_path, title="new")
    assert json.loads((tmp_path / "report.json").read_text())["title"] == "old"


def test_without_matplotlib_there_is_a_pip_line_at_once(
    black_and_white, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install \"keras-dpgan\[plots\]\""):
        evaluation.report(*black_and_white, tmp_path, **QUICK)
    assert not list(tmp_path.iterdir())


def test_says_what_is_wrong(black_and_white, tmp_path):
    with pytest.raises(ValueError, match="`include_real_records` must be True or"):
        evaluation.report(*black_and_white, tmp_path, include_real_records="yes")
    with pytest.raises(ValueError, match="`label_names` must have a name for each"):
        evaluation.report(*black_and_white, tmp_path, label_names=["zero"])
    two_channels = np.zeros((20, 8, 8, 2))
    with pytest.raises(ValueError, match="one or three channels"):
        evaluation.report(two_channels, two_channels, two_channels, tmp_path)


def test_history_that_is_not_finite_is_still_json(blobs, tmp_path):
    (x, _), (x_test, _) = blobs
    history = {"g_loss": [1.0, float("nan")], "epsilon": [1.0, 2.0]}
    evaluation.report(x_test, x, x_test, tmp_path, history=history)
    stored = json.loads((tmp_path / "report.json").read_text())
    assert stored["history"]["g_loss"] == [1.0, None]
