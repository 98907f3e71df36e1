"""Results as Markdown."""

INTRODUCTION = """# Benchmarks

What a discriminator update costs: real and fake rows through the network, per-record
clipping, noise and Adam, against the same Keras model without privacy. Contenders are
processes of their own that take turns, so that a machine whose speed drifts is fair to
all; times are medians over the turns, memory is the peak of the process. The peers do
the same work on the same network (Opacus clips real and fake rows one by one: it has
no records of two rows).

```sh
make bench-peers   # installs Opacus and JAX, each in its own environment; optional
make bench         # writes this page and results.json
make bench-check   # holds the ratios against thresholds.json
```
"""


def write_readme(path, report):
    """Writes the page: the machine, and a table per setting."""
    facts = ", ".join(f"{key} {value}" for key, value in report["machine"].items())
    parts = [INTRODUCTION, f"Measured on: {facts}.\n"]
    for name, result in report["settings"].items():
        parts.append(f"## {name}\n\n{one_setting(result)}")
    path.write_text("\n".join(parts) + "\n")


def one_setting(result):
    """A table of contenders: times, ratio to the plain update, memory."""
    lines = [
        "| contender | ms an update (median) | of plain | peak MiB |",
        "| --- | --- | --- | --- |",
    ]
    for name, values in result.items():
        if values["failed"]:
            lines.append(f"| {name} | failed | | |")
            continue
        of_plain = ratio(result, name, "plain")
        lines.append(
            f"| {name} | {values['median_ms']:.1f} | {of_plain:.2f}x "
            f"| {values['peak_mib']:.0f} |"
        )
    return "\n".join(lines) + "\n"


def ratio(result, contender, reference):
    """How much longer a contender takes than another, by medians."""
    if result[contender]["failed"] or result[reference]["failed"]:
        return float("inf")
    return result[contender]["median_ms"] / result[reference]["median_ms"]
