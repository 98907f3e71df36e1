"""Follows every link of a built site: python tools/check_site.py build/site.

Links to other sites are not followed. Prints what is dead; fails where something is.
"""

import html.parser
import pathlib
import sys
import urllib.parse

# It is served at any address, so that its links begin at the root.
_NOT_FOUND_PAGE = "404.html"


class _Page(html.parser.HTMLParser):
    """The links of a page, and the names that links can point to."""

    def __init__(self, file):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src") and value is not None:
                self.links.append(value)
            elif name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)


def dead_links(site):
    """Finds the links of a site that lead nowhere.

    Args:
        site: The folder, a `pathlib.Path`.

    Returns:
        A list of pairs: a page, relative to the folder, and a link in it.
    """
    pages = {file: _Page(file) for file in sorted(site.rglob("*.html"))}
    return [
        (file.relative_to(site).as_posix(), link)
        for file, page in pages.items()
        if file.name != _NOT_FOUND_PAGE
        for link in page.links
        if not _leads_somewhere(link, file, site.resolve(), pages)
    ]


def _leads_somewhere(link, file, site, pages):
    parts = urllib.parse.urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    path = urllib.parse.unquote(parts.path)
    if path.startswith("/"):
        return False
    target = (file.parent / path).resolve() if path else file
    if target.is_dir():
        target /= "index.html"
    if not target.is_file() or not target.resolve().is_relative_to(site):
        return False
    anchor = urllib.parse.unquote(parts.fragment)
    return not anchor or target not in pages or anchor in pages[target].anchors


def main(site):
    dead = dead_links(pathlib.Path(site).resolve())
    for page, link in dead:
        print(f"{page}: {link} leads nowhere.", file=sys.stderr)
    return bool(dead)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
