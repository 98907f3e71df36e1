"""A report as one HTML page that needs no other file."""

import base64
import html

from keras_dpgan.evaluation import tables

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2128; --paper: #fff; --soft: #57606a;
  --line: #d0d7de; --card: #f6f8fa; --warn: #fff4d6; --warn-line: #bf8700;
  --bad: #cf222e; --good: #1a7f37; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117;
  --soft: #9aa4af; --line: #30363d; --card: #161b22; --warn: #3a2d0c;
  --warn-line: #bf8700; --bad: #ff7b72; --good: #56d364; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1.5rem 1rem 4rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
p { margin: .5rem 0; }
.soft { color: var(--soft); font-size: .9rem; }
.warning { background: var(--warn); border-left: 4px solid var(--warn-line);
  padding: .6rem 1rem; border-radius: 4px; }
.statement { background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; padding: .8rem 1rem; white-space: pre; overflow-x: auto;
  font: .88rem/1.5 ui-monospace, monospace; margin: .5rem 0; }
.tiles { display: grid; gap: .75rem; margin: 1.25rem 0;
  grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 6px;
  padding: .7rem .9rem; }
.tile > span { display: block; }
.tile b { display: block; font-size: 1.45rem; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
.tile b.word { font-size: 1.1rem; line-height: 1.9rem; }
.good { color: var(--good); } .bad { color: var(--bad); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem .9rem .35rem 0; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { font-size: .85rem; color: var(--soft); font-weight: 600; }
.number { text-align: right; white-space: nowrap; }
figure { margin: 1rem 0; }
figure img { display: block; max-width: 100%; height: auto; background: #fff;
  border-radius: 4px; }
figure.wide { grid-column: 1 / -1; }
figure.wide img { max-width: none; width: max(100%, 40rem); }
img.pixels { image-rendering: pixelated; }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .4rem; }
.beside { display: grid; gap: 0 2rem; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
@media (max-width: 40rem) { td.meaning, th.meaning { display: none; } }
"""

_NO_STATEMENT = (
    "No privacy statement came with these samples. Without one, treat them as if "
    "they were the real records."
)


def picture(data, kind, caption, pixels=False, wide=False):
    """A picture with its caption, inside the page.

    Args:
        data: The bytes of the file.
        kind: `"png"` or `"svg+xml"`.
        caption: String, which also describes the picture to screen readers.
        pixels: Whether enlarged pixels stay sharp. Defaults to `False`.
        wide: Whether a narrow screen scrolls the picture instead of shrinking it.
            Defaults to `False`.

    Returns:
        HTML.
    """
    text = html.escape(caption)
    encoded = base64.b64encode(data).decode()
    sharp = ' class="pixels"' if pixels else ""
    return (
        f'<figure{" class=wide" if wide else ""}><div class="scroll">'
        f'<img{sharp} alt="{text}" src="data:image/{kind};base64,{encoded}"></div>'
        f"<figcaption>{text}</figcaption></figure>"
    )


def vectors_side_by_side(samples, real, caption):
    """A table of samples, each above the real row beside it.

    Args:
        samples: Array of shape `(n, columns)`.
        real: Array of the same shape.
        caption: String.

    Returns:
        HTML.
    """
    lines = []
    for pair in zip(samples, real, strict=True):
        for kind, row in zip(("sample", "real"), pair, strict=True):
            lines.append((kind, *(tables.number(value) for value in row)))
    heads = ("", *(f"column {i}" for i in range(samples.shape[1])))
    return f'<p class="warning">{html.escape(caption)}</p>{plain_table(heads, lines)}'


def render(title, scores, statement, pictures, label_names=None):
    """The whole page.

    Args:
        title: String.
        scores: The dict of `evaluate`.
        statement: String, or `None` if there is none.
        pictures: Dict from `"samples"`, `"distances"`, `"neighbours"`, `"history"`
            to HTML. The page leaves out those that are missing.
        label_names: List of strings. Defaults to `None`.

    Returns:
        HTML, a string.
    """
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f'<p class="warning">{html.escape(scores["warning"])}</p>',
        _tiles(scores),
        "<h2>Privacy of the generator</h2>",
        privacy_of(statement),
        "<h2>Samples</h2>",
        '<div class="beside">',
        pictures["samples"],
        _classes(scores, label_names),
        "</div>",
        "<h2>Quality</h2>",
        _quality(scores),
        "<h2>Copies of training rows</h2>",
        _copies(scores, pictures),
    ]
    if "history" in pictures:
        parts += ["<h2>Training</h2>", pictures["history"]]
    parts += ["<h2>How it was measured</h2>", _method(scores)]
    return document(title, parts)


def document(title, parts):
    """A page of some parts, one below the other.

    Args:
        title: String.
        parts: List of HTML; empty ones are left out.

    Returns:
        HTML, a string.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body></html>\n"
    )


def _tiles(scores):
    copied = scores["memorisation"]["memorised"]
    colour = "bad" if copied else "good"
    tiles = [
        (line.name, f"<b>{line.samples}</b>", f"real data: {line.real}")
        for line in tables.metric_lines(scores)
        if line.name.startswith("Accuracy") or line.name in ("Precision", "Coverage")
    ]
    verdict = f'<b class="word {colour}">{tables.verdict(scores)}</b>'
    tiles.append(("Memorization", verdict, "of training rows, see below"))
    return (
        '<div class="tiles">'
        + "".join(
            f'<div class="tile">{name}{value}<span class="soft">{note}</span></div>'
            for name, value, note in tiles
        )
        + "</div>"
    )


def privacy_of(statement):
    """A privacy statement, or a warning where there is none."""
    if not statement:
        return f'<p class="warning">{_NO_STATEMENT}</p>'
    text = "\n".join(tables.wrapped(statement))
    return f'<div class="statement">{html.escape(text)}</div>'


def _quality(scores):
    rows = "".join(
        f'<tr><td>{line.name}</td><td class="number">{line.samples}</td>'
        f'<td class="number">{line.real}</td>'
        f'<td class="meaning soft">{line.meaning}</td></tr>'
        for line in tables.metric_lines(scores)
    )
    return (
        '<div class="scroll"><table><tr><th>Metric</th><th class="number">Samples</th>'
        '<th class="number">Real training rows</th><th class="meaning">Meaning</th>'
        f"</tr>{rows}</table></div>"
    )


def _classes(scores, label_names):
    lines = tables.class_lines(scores, label_names)
    if not lines:
        return ""
    heads = ("Label", "Label accuracy", "Diversity within it")
    return plain_table(heads, lines)


def _copies(scores, pictures):
    found = scores["memorisation"]
    colour = "bad" if found["memorised"] else "good"
    heads = ("", "Samples", "Real test rows")
    return (
        f'<p><b class="{colour}">{tables.verdict(scores)}.</b> '
        f"{found['num_samples']:,} samples were tested. If a generator knows no "
        "training row, the probability that its samples come so near to training rows "
        f"is at most {found['train_p_value']:.2g}, and the probability that so many of "
        f"them look like copies is {found['copied_p_value']:.2g}. Finding no copies "
        "does not prove privacy; only the statement above does.</p>"
        f'<div class="beside">{plain_table(heads, tables.copy_lines(scores))}'
        f"{pictures['distances']}</div>{pictures.get('neighbours', '')}"
    )


def plain_table(heads, lines):
    """A table of texts, from the second column on set to the right."""

    def cells(tag, values):
        return "".join(
            f"<{tag}{' class=number' if i else ''}>{html.escape(value)}</{tag}>"
            for i, value in enumerate(values)
        )

    rows = "".join(f"<tr>{cells('td', line)}</tr>" for line in lines)
    return (
        f'<div class="scroll"><table><tr>{cells("th", heads)}</tr>{rows}</table></div>'
    )


def _method(scores):
    features, near = scores["features"], scores["neighbourhoods"]
    sentences = [
        f"{scores['num_samples']:,} samples, {scores['num_real']:,} real training rows "
        f"and {scores['num_real_test']:,} real test rows of shape "
        f"{tuple(scores['row_shape'])}; seed {scores['seed']}; "
        f"{scores['seconds']:.0f} seconds.",
        "Each classifier chooses its epoch on held-out rows of its own training set. "
        "Real test rows influence no choice.",
        f"Distributions are compared with the real test rows, by {features['width']} "
        f"features of the model “{features['name']}”. Distances by other features, "
        "or of other numbers of rows, are not comparable.",
        f"Precision, recall, density and coverage use {near['num_rows']:,} rows of "
        f"each set and neighborhoods up to the nearest neighbor {near['nearest_k']}.",
    ]
    items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)
    return f'<ul class="soft">{items}</ul>'
