"""Writes a ledger as text."""

from keras_dpgan.privacy.accountant import epsilon
from keras_dpgan.privacy.history import PrivacyHistory

_COLUMNS = ("run", "started", "purpose", "updates", "mechanism", "sampling", "relation")


def text(contents, delta):
    """A table of the runs, and epsilon.

    Args:
        contents: A `LedgerContents`.
        delta: Float in (0, 1).

    Returns:
        String of several lines.
    """
    rows = [_COLUMNS, *map(_row, range(1, len(contents.runs) + 1), contents.runs)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    title = (
        f"Ledger of the data {contents.data_name!r}: {len(contents.runs)} runs, "
        f"{contents.total_updates} updates."
    )
    lines = [title, "", *table, "", *_epsilons(contents, delta)]
    return "\n".join(line.rstrip() for line in lines)


def _row(number, run):
    entry = run.entry
    return (
        str(number),
        run.started,
        run.purpose,
        str(entry.count),
        _mechanism(entry),
        _sampling(entry),
        entry.relation,
    )


def _mechanism(entry):
    text = f"{entry.mechanism}, noise multiplier {entry.noise_multiplier:g}"
    if entry.clipped_count_stddev is not None:
        text += f", count noise {entry.clipped_count_stddev:g}"
    return text + (" from a seed (insecure)" if entry.insecure_noise else "")


def _sampling(entry):
    if entry.sampling_probability is not None:
        text = f"Poisson, q={entry.sampling_probability:g}"
        return text + (" from a seed (not amplified)" if entry.seeded_sampling else "")
    if entry.allocation_batches is not None:
        return f"each record in one of {entry.allocation_batches} updates, at random"
    if entry.max_participations is None:
        return "each record in every update"
    return f"each record in at most {entry.max_participations} updates"


def _epsilons(contents, delta):
    """Epsilon under each relation, side by side, and of all runs together."""
    relations = sorted({run.entry.relation for run in contents.runs})
    if not relations:
        return ["Nothing was spent."]
    lines = []
    for relation in relations:
        of_relation = PrivacyHistory(
            run.entry for run in contents.runs if run.entry.relation == relation
        )
        lines.append(
            f"epsilon = {epsilon(of_relation, delta):.4g} at delta = {delta:g} "
            f"({relation}: the runs with this relation)"
        )
    if len(relations) == 1:
        return [lines[0].replace("the runs with this relation", "all runs")]
    lines.append(
        f"epsilon = {contents.epsilon(delta):.4g} at delta = {delta:g} "
        f"({contents.history().relation}: all runs. Those with Poisson sampling hold "
        "under it as well)"
    )
    return lines
