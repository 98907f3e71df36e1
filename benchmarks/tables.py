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

`python benchmarks/first_update.py` measures the first update of recurrent
discriminators, which is traced then: [figures](first_update.md).

`python benchmarks/profile.py` shows where the time of an update goes, by operation,
plain and private side by side; `python benchmarks/data.py` what it costs to train on
data that memory does not hold; `benchmarks/accelerator.sh` checks the clip and measures
on an accelerator, in at most ten minutes.
"""


# What is asked of the library: a measure, the bound, and where it is found.
FIGURES = [
    (
        "update, Wasserstein, batch 256, of plain",
        "at most 1.25x",
        lambda r: times(r["conv28 wasserstein 256"], "ghost", "plain"),
    ),
    (
        "update, non-saturating, batch 256, of plain",
        "at most 1.25x",
        lambda r: times(r["conv28 non_saturating 256"], "ghost", "plain"),
    ),
    (
        "update, gradient penalty, batch 256, of plain",
        "at most 1.40x",
        lambda r: times(r["conv28 wasserstein_gp 256"], "ghost", "plain"),
    ),
    (
        "update, gradient penalty, batch 64, of plain",
        "at most 1.50x",
        lambda r: times(r["conv28 wasserstein_gp 64"], "ghost", "plain"),
    ),
    (
        "TF Privacy's vectorized optimizer, batch 64, of ours",
        "at least 25x",
        lambda r: times(r["conv28 wasserstein 64"], "TF Privacy optimizer", "ghost"),
    ),
    (
        "the best of Opacus' engines, batch 256, of ours",
        "at least 2x",
        lambda r: fastest(r["conv28 wasserstein 256"], "opacus "),
    ),
    (
        "JAX `vmap(grad)`, batch 256, of ours",
        "at least 3x",
        lambda r: times(r["conv28 wasserstein 256"], "jax vmap", "ghost"),
    ),
    (
        "peak memory, batch 1024, of plain",
        "at most 1.3x",
        lambda r: memory(r["conv28 wasserstein 1024"]),
    ),
    (
        "peak memory, batch 8192 in parts of 512",
        "under 3 GiB",
        lambda r: f"{r['batch 8192']['ghost']['peak_mib'] / 1024:.2f} GiB",
    ),
    *[
        (
            f"update, {name}, 32 x 16, batch 64, of plain",
            "at most 1.5x",
            lambda r, name=name: times(r[f"{name} wasserstein 64"], "ghost", "plain"),
        )
        for name in ("lstm", "gru", "attention")
    ],
    *[
        (
            f"{measure}, {side}x{side}x3, batch 4096 in parts, of batch 512",
            bound,
            lambda r, side=side, grown=grown: f"{grown(r['large rows'], side):.2f}x",
        )
        for side in (64, 128)
        for measure, grown, bound in (
            ("peak memory beside the rows", lambda *x: _memory(*x), "1.1x"),
            ("time", lambda *x: _time(*x), "8x"),
        )
    ],
    (
        '`noise_source="secure"`, of the default',
        "at most 1.3x",
        lambda r: times(r["secure noise"], "secure", "default"),
    ),
    (
        "`fit`, of bare updates",
        "at most 1.05x",
        lambda r: times(r["fit"], "fit", "bare"),
    ),
    (
        "`import keras_dpgan` after `import keras`",
        "0.3 s",
        lambda r: f"{r['startup']['import keras_dpgan, after keras']:.2f} s",
    ),
    (
        "epsilon in the progress bar",
        "1 ms",
        lambda r: f"{1e3 * r['startup']['epsilon in the progress bar']:.3f} ms",
    ),
    (
        "epsilon by PLD at the end of an epoch",
        "1.5 s",
        lambda r: f"{r['startup']['epsilon at the end of an epoch']:.2f} s",
    ),
]


def write_readme(path, report):
    """Writes the page: the machine, the figures, and a table per setting."""
    facts = ", ".join(f"{key} {value}" for key, value in report["machine"].items())
    settings = report["settings"]
    parts = [INTRODUCTION, f"Measured on: {facts}.\n", figures(settings)]
    for name, result in settings.items():
        table = seconds(result) if name == "startup" else one_setting(result)
        parts.append(f"## {name}\n\n{table}")
    path.write_text("\n".join(parts) + "\n")


def figures(settings):
    """A table of what was asked and what was measured."""
    lines = ["| measure | asked | measured |", "| --- | --- | --- |"]
    for measure, bound, find in FIGURES:
        try:
            lines.append(f"| {measure} | {bound} | {find(settings)} |")
        except KeyError:
            lines.append(f"| {measure} | {bound} | not measured |")
    return "\n".join(lines) + "\n"


def _memory(result, side):
    """How the memory grows from 512 rows to 4096, real and fake rows left out."""

    def beside(size):
        peak = result[f"conv{side} batch {size}"]["peak_mib"]
        return peak - 2 * size * 4 * 3 * side**2 / 2**20

    return beside(4096) / beside(512)


def _time(result, side):
    """How the time grows from 512 rows to 4096."""
    large, small = (result[f"conv{side} batch {size}"] for size in (4096, 512))
    return large["median_ms"] / small["median_ms"]


def seconds(result):
    """A table of measures in seconds."""
    rows = [f"| {name} | {value:.4f} |" for name, value in result.items()]
    return "\n".join(["| measure | seconds |", "| --- | --- |", *rows]) + "\n"


def times(result, contender, reference):
    """The ratio of two contenders' times, as text."""
    return f"{ratio(result, contender, reference):.2f}x"


def fastest(result, prefix):
    """How much longer the fastest private engine of a peer takes than ours."""
    names = [n for n in result if n.startswith(prefix) and "plain" not in n]
    if not names:
        raise KeyError(prefix)
    return f"{min(ratio(result, name, 'ghost') for name in names):.2f}x"


def memory(result):
    """The ratio of peak memory to plain's, as text."""
    return f"{result['ghost']['peak_mib'] / result['plain']['peak_mib']:.2f}x"


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
        of_plain = times(result, name, "plain") if "plain" in result else ""
        lines.append(
            f"| {name} | {values['median_ms']:.1f} | {of_plain} "
            f"| {values['peak_mib']:.0f} |"
        )
    return "\n".join(lines) + "\n"


def ratio(result, contender, reference):
    """How much longer a contender takes than another, by medians."""
    if result[contender]["failed"] or result[reference]["failed"]:
        return float("inf")
    return result[contender]["median_ms"] / result[reference]["median_ms"]
