"""What may be claimed of a generator: a guarantee, or that there is none."""

import math

_DIFFERENCES = {
    "add_or_remove_one": "adding or removing one row",
    "replace_with_null": "replacing one row by a null row",
}


def guarantee_and_summary(gan):
    """The guarantee of a `DPGAN` and a sentence that says it.

    Args:
        gan: A `DPGAN`.

    Returns:
        `(guarantee, summary)`: a dict in the form of the card's schema, or
        `None` where nothing can be claimed, and a string.
    """
    history = gan.privacy_history
    if not gan.private:
        return None, _no_guarantee("it was not trained privately (`private=False`)")
    if not history.total_updates:
        return None, _no_guarantee("no private training of it is on record")
    epsilon = gan.epsilon()
    if math.isinf(epsilon):
        return None, _no_guarantee("some of its updates had no noise")
    guarantee = {
        "epsilon": epsilon,
        "delta": gan.delta,
        "unit": "one row of the training data",
        "neighbouring_relation": history.relation,
        "accountant": "pld",
        "assumptions": _assumptions(history),
    }
    return guarantee, (
        f"Differentially private with epsilon = {_rounded_up(epsilon)} at delta = "
        f"{gan.delta:g}, for {_DIFFERENCES[history.relation]}."
    )


def _no_guarantee(reason):
    return (
        f"There is no privacy guarantee: {reason}. What it makes may show rows that "
        "it was trained on. Treat it as those rows themselves."
    )


def _rounded_up(epsilon):
    return f"{math.ceil(epsilon * 100) / 100:.2f}"


def _assumptions(history):
    """What the guarantee rests on, a sentence each."""
    sentences = ["The number of rows, and so the sampling rate, is public."]
    if any(entry.is_amplified for entry in history.entries):
        sentences.append(
            "Each row entered each batch by an independent secret coin (Poisson "
            "sampling)."
        )
    if any(entry.max_participations is not None for entry in history.entries):
        sentences.append(
            "No row was in more updates than was declared, as the publisher says."
        )
    return [*sentences, "Nothing else that was computed from the rows was published."]
