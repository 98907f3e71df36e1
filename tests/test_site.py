"""The links of the documentation lead somewhere, in the repository and on the site."""

import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)|<img\s+src=\"([^\"]+)\"")

pytestmark = pytest.mark.skipif(
    not (ROOT / "mkdocs.yml").exists(), reason="needs the source tree"
)


def pages():
    folders = ("", "docs/**/", "benchmarks/", "benchmarks/quality/", "examples/**/")
    return sorted(page for folder in folders for page in ROOT.glob(f"{folder}*.md"))


def links(page):
    """The links of a page of Markdown that are within the repository."""
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    found = ["".join(pair) for pair in _LINK.findall(text)]
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def test_links_lead_somewhere_in_the_repository():
    assert sum(len(links(page)) for page in pages()) > 20
    assert not [
        (page.relative_to(ROOT).as_posix(), link)
        for page in pages()
        for link in links(page)
        if not (page.parent / link.split("#")[0]).exists()
    ]


def check(site):
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / "check_site.py"), str(site)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("link", "dead"),
    [
        ("other/", False),
        ("other/#here", False),
        ("other/index.html", False),
        ("#top", False),
        ("https://example.org", False),
        ("missing/", True),
        ("missing.png", True),
        ("other/#there", True),
        ("#bottom", True),
        ("/other/", True),
        ("../outside.html", True),
    ],
)
def test_a_dead_link_of_a_site_is_found(tmp_path, link, dead):
    (tmp_path / "outside.html").write_text("")
    site = tmp_path / "site"
    (site / "other").mkdir(parents=True)
    (site / "index.html").write_text(f'<p id="top"><a href="{link}">')
    (site / "other" / "index.html").write_text('<h1 id="here"><a href="..">')
    result = check(site)
    assert result.returncode == dead
    assert (f"index.html: {link} leads nowhere" in result.stderr) == dead


@pytest.fixture
def documentation(tmp_path):
    """A copy of what the site is made of."""
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    for folder in ("docs", "benchmarks", "examples", "tools", "keras_dpgan"):
        leave_out = shutil.ignore_patterns("__pycache__", ".venv*")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=leave_out)
    for file in ("mkdocs.yml", "LICENSE", *(page.name for page in ROOT.glob("*.md"))):
        shutil.copy(ROOT / file, tmp_path)
    return tmp_path


def build(folder):
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_link_of_the_built_site_leads_somewhere(documentation):
    result = build(documentation)
    assert result.returncode == 0, result.stderr
    result = check(documentation / "build" / "site")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "link",
    [
        "../examples/no_such_file.py",  # Neither here nor there.
        "../examples/digits",  # A folder: the repository shows it, the site cannot.
        "../setup.py",  # A file that the site does not publish.
        "privacy.md#no-such-heading",
        "no_such_page.md",
    ],
)
def test_a_dead_link_stops_the_build(documentation, link):
    with open(documentation / "docs" / "concepts.md", "a") as page:
        page.write(f"\n[dead]({link})\n")
    result = build(documentation)
    assert result.returncode != 0
    assert link.split("#")[0].rpartition("/")[2] in result.stderr
