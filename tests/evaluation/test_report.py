import base64
import html.parser
import io
import json
import pathlib
import re
import sys

import helpers
import numpy as np
import pytest
from PIL import Image

from keras_dpgan import evaluation
from keras_dpgan.evaluation import figures

pytestmark = pytest.mark.usefixtures("quick_features")

QUICK = {"classifiers": ("logistic_regression",), "compare_with_real": False}
UNIQUE_GREY = 201


@pytest.fixture(scope="module")
def black_and_white(digits):
    """Real images with a grey of their own, and samples in black and white."""
    (x, y), (x_test, y_test) = digits
    real = [np.where(rows > 0, UNIQUE_GREY, 0).astype(np.uint8) for rows in (x, x_test)]
    samples = np.where(x > 0, 255, 0).astype(np.uint8)
    return (samples, y), (real[0], y), (real[1], y_test)


def pictures_in(folder):
    """The PNG pictures inside the page, as arrays."""
    text = (folder / "report.html").read_text(encoding="utf-8")
    found = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", text)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(x)))) for x in found]


def test_writes_page_picture_and_numbers(black_and_white, tmp_path):
    history = {"g_loss": [1.0, 0.5], "d_loss_fake": [0.1, 0.2], "epsilon": [1.0, 2.0]}
    found = evaluation.report(
        *black_and_white,
        tmp_path / "new" / "report",
        statement="epsilon = 2 at delta = 1e-4",
        history=history,
        label_names=[f"digit <{i}>" for i in range(10)],
        title="Digits & co",
        **QUICK,
    )
    folder = tmp_path / "new" / "report"
    assert {p.name for p in folder.iterdir()} == {
        "report.html",
        "report.png",
        "report.json",
    }
    stored = json.loads((folder / "report.json").read_text())
    assert stored == found
    assert stored["private"] is False
    assert stored["history"] == history
    text = (folder / "report.html").read_text(encoding="utf-8")
    for part in (
        "not covered by any privacy guarantee",
        "epsilon = 2 at delta = 1e-4",
        "Digits &amp; co",
        "digit &lt;3&gt;",
        "Accuracy, logistic regression",
        "Losses on generated rows",
    ):
        assert part in text
    width, height = Image.open(folder / "report.png").size
    assert width > 1000
    assert height > 700


def test_page_is_well_formed_and_needs_nothing_else(black_and_white, tmp_path):
    evaluation.report(*black_and_white, tmp_path, **QUICK)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
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


def test_real_images_are_shown_only_when_asked_for(
    black_and_white, tmp_path, monkeypatch
):
    drawn = []
    pairs = figures.neighbour_pairs
    monkeypatch.setattr(
        figures, "neighbour_pairs", lambda *a: drawn.append(1) or pairs(*a)
    )
    evaluation.report(*black_and_white, tmp_path, **QUICK)
    assert all((picture != UNIQUE_GREY).all() for picture in pictures_in(tmp_path))
    assert not drawn
    assert "REAL RECORDS" not in (tmp_path / "report.html").read_text()
    found = evaluation.report(
        *black_and_white, tmp_path, include_real_records=True, **QUICK
    )
    assert any((picture == UNIQUE_GREY).any() for picture in pictures_in(tmp_path))
    assert drawn
    assert found["includes_real_records"]
    assert "REAL RECORDS" in (tmp_path / "report.html").read_text()


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
        text = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert ("<td>real</td>" in text) == asked


def test_copies_are_called_out_on_the_page(black_and_white, tmp_path):
    _, real, test = black_and_white
    evaluation.report(real, real, test, tmp_path, **QUICK)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Training rows were copied" in text
    assert "No copies found" not in text


def test_a_gan_brings_its_own_statement(blobs, tmp_path):
    (x, y), (x_test, y_test) = blobs
    gan = helpers.make_gan(3)
    data = helpers.make_data(300)
    gan.fit(*data, batch_size=60, epochs=1, verbose=0)
    found = evaluation.report(
        gan, data, helpers.make_data(100, seed=1), tmp_path, **QUICK
    )
    assert found["statement"] == str(gan.privacy_statement())
    gan.export(tmp_path / "export")
    found = evaluation.report(
        tmp_path / "export", data, helpers.make_data(100, seed=1), tmp_path, **QUICK
    )
    assert "epsilon" in found["statement"]


def test_samples_without_a_statement_are_said_to_have_none(blobs, tmp_path):
    (x, _), (x_test, _) = blobs
    evaluation.report(x_test, x, x_test, tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "No privacy statement came with these samples" in text


def test_a_report_that_fails_leaves_the_old_one(black_and_white, tmp_path):
    evaluation.report(*black_and_white, tmp_path, title="old", **QUICK)
    samples, real, test = black_and_white
    with pytest.raises(ValueError, match="rows of one shape"):
        evaluation.report(samples[0][:, :7], real, test, tmp_path, title="new", **QUICK)
    assert json.loads((tmp_path / "report.json").read_text())["title"] == "old"


def test_without_matplotlib_there_is_a_pip_line_at_once(
    black_and_white, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install \"keras-dpgan\[plots\]\""):
        evaluation.report(*black_and_white, tmp_path, **QUICK)
    assert not pathlib.Path(tmp_path, "report.html").exists()


def test_says_what_is_wrong(black_and_white, tmp_path):
    with pytest.raises(ValueError, match="`include_real_records` must be True or"):
        evaluation.report(*black_and_white, tmp_path, include_real_records="yes")
