"""Notes of a statement about the run: whether it was resumed, or one of several."""


def write(record, ledger, num_unused):
    """The notes of a `DPGAN`'s privacy statement.

    Args:
        record: Its `PrivacyRecord`.
        ledger: The `privacy.Ledger` of its last `fit`, or `None`.
        num_unused: Int, the updates reserved there that a running `fit` has not
            made yet.

    Returns:
        Tuple of strings, empty for one run from start to end.
    """
    return (
        *_resumed(record),
        *_several_runs(record, ledger, num_unused),
        *_inherited(record),
        *_released(record),
    )


def _resumed(record):
    if not record.num_resumed:
        return
    said = f"RESUMED RUN: training went on from a file {_times(record.num_resumed)}."
    if record.ledger_head is None:
        yield (
            f"{said} There was no ledger: updates that were made after the file was "
            "written, and lost, are not counted."
        )
    else:
        yield f"{said} What was reserved in the ledger and lost is counted."


def _several_runs(record, ledger, num_unused):
    if record.num_added:
        yield (
            f"SEVERAL RUNS: {record.num_added:,} of the updates that are counted have "
            "no part in this model: the ledger has them from other runs with the "
            "same data, or from what a kill has lost."
        )
    if ledger is None:
        return
    since = ledger.total_updates - record.history().total_updates - num_unused
    if since > 0:
        yield (
            f"SEVERAL RUNS: the ledger has {since:,} further updates with the same "
            "data, made since this model was trained, which this statement leaves "
            "out. What all of them guarantee together, the ledger says."
        )


def _inherited(record):
    if record.num_inherited:
        yield (
            f"REUSED WEIGHTS: {record.num_inherited:,} of the updates that are counted "
            "were made by another model, whose weights this one has, or by this one "
            "before other weights were loaded."
        )


def _released(record):
    if record.num_released:
        yield (
            f"Of the updates that are counted, {record.num_released:,} stand for the "
            "noisy sums over all rows, of sensitivity one, that the networks, the "
            "label prior or a critic were made from. What was trained on these sums "
            "alone read no record: however many steps it took, and however often it "
            "was begun anew, it costs nothing more."
        )


def _times(number):
    return "once" if number == 1 else f"{number:,} times"
