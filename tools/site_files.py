"""A hook of MkDocs: the site has pages from all over the repository.

A file's name in the site's configuration and in links is its path in the repository, so
that one relative link works in both. What stands in `docs/` loses that prefix in its
address; the others are published when they are named here.
"""

import pathlib

from mkdocs.structure.files import File
from mkdocs.structure.files import Files

ROOT = pathlib.Path(__file__).resolve().parents[1]
OUTSIDE_DOCS = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "SECURITY.md",
    "benchmarks/**/*.md",
    "benchmarks/**/*.png",
    "examples/**/*.ipynb",
    "examples/**/*.py",
    "examples/**/*.sh",
)


def on_files(files, config):
    published = Files([])
    docs = pathlib.Path(config.docs_dir).relative_to(ROOT)
    for file in files:
        if file.src_dir == config.docs_dir:
            path = (docs / file.src_uri).as_posix()
            file = _file(path, config, file.dest_uri)
        published.append(file)
    for pattern in OUTSIDE_DOCS:
        for path in sorted(ROOT.glob(pattern)):
            published.append(_file(path.relative_to(ROOT).as_posix(), config))
    return published


def _file(path, config, dest_uri=None):
    return File(
        path, str(ROOT), config.site_dir, config.use_directory_urls, dest_uri=dest_uri
    )
