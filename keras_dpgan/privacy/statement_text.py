"""Writes a privacy statement in words."""

import math
import textwrap

from keras_dpgan.privacy.history_entry import ADD_OR_REMOVE_ONE
from keras_dpgan.privacy.history_entry import REPLACE_CLIENT
from keras_dpgan.privacy.history_entry import REPLACE_CLIENT_WITH_NULL
from keras_dpgan.privacy.history_entry import REPLACE_WITH_NULL

_WIDTH = 80

_RELATIONS = {
    ADD_OR_REMOVE_ONE: "one has one row more than the other (add or remove one).",
    REPLACE_WITH_NULL: (
        "they differ in one row, which one of them replaces by a null row, whose "
        "gradient counts as zero."
    ),
    REPLACE_CLIENT: "they differ in all data of one client, in any way.",
    REPLACE_CLIENT_WITH_NULL: (
        "they differ in one client, whose update is zero in one of them."
    ),
}
_OF_A_CLIENT = {
    "gaussian": (
        "in L2 and adds Gaussian noise itself, of {} times the largest distance "
        "between two updates."
    ),
    "laplace": (
        "in L1 and adds Laplace noise itself, with a scale of {} times the largest "
        "distance between two updates."
    ),
    "pure": (
        "and reports it by a randomizer under which no report is more likely by more "
        "than a factor of exp(1 / {}), whatever another client would have."
    ),
    "discrete_gaussian": (
        "in L2 and adds its share of discrete Gaussian noise. The sum has noise of {} "
        "times the clip, enlarged by the effect of rounding."
    ),
}

ACCOUNTANT_NAMES = {
    "pld": "privacy loss distributions (PLD)",
    "rdp": "Renyi differential privacy (RDP)",
}


def caveats(history, delta, num_examples, private):
    """The sentences with which a statement must begin.

    Args:
        history: A `PrivacyHistory`.
        delta: Float.
        num_examples: Int or `None`.
        private: Whether every update went through a privacy mechanism.

    Returns:
        Tuple of strings, empty for one phase of sound Poisson sampling and noise.
    """
    said = []
    if not private:
        said.append(
            "NO PRIVACY GUARANTEE: the discriminator was updated without a privacy "
            "mechanism."
        )
    for entry in history.entries:
        said += [text for text in _of_entry(entry) if text not in said]
    if num_examples is not None and delta >= 1 / num_examples:
        said.append(
            f"DELTA IS TOO LARGE: delta = {delta:g} is not below 1/n = "
            f"{1 / num_examples:.2g}, so publishing a whole row would count as private."
        )
    if len(history.entries) > 1:
        said.append(
            f"SEVERAL PHASES: {len(history.entries)} phases of updates are added up, "
            "listed below."
        )
    return tuple(said)


def _of_entry(entry):
    if entry.effective_noise_multiplier == 0:
        yield "NO PRIVACY GUARANTEE: updates released something without noise."
    if entry.insecure_noise:
        yield (
            "INSECURE NOISE: noise was drawn from a seed. The guarantee holds only "
            "against those who do not know the seed, which must never be published."
        )
    if entry.excess_divergence is not None:
        yield (
            "NOISE OF THE CLIENTS: the sums contain the noise before the server sees "
            "them. The guarantee also holds against the server and the key holder, if "
            "there is one, whatever they do, as long as no more clients reveal their "
            "noise to them than the noise was made for."
        )
    if entry.excess_divergence is not None and entry.unit == "row":
        yield (
            "FLOAT32: each client adds its sum up in float32, and the accounting does "
            "not include its rounding."
        )
    if entry.seeded_sampling:
        yield (
            "SEEDED SAMPLING: batches were drawn from a seed. Whoever knows the seed "
            "knows the batches, so each row is assumed to be in every update."
        )
    how = (entry.sampling_probability, entry.allocation_batches)
    undeclared = (*how, entry.max_participations) == (None, None, None)
    if undeclared and entry.unit == "row":
        yield (
            "UNKNOWN SAMPLING, NOT POISSON: it was not declared how batches were made, "
            "so each row is assumed to be in every update."
        )
    if entry.max_participations is not None:
        yield (
            "SAMPLING IS NOT POISSON: it was declared, and not checked, that no row is "
            f"in more than {entry.max_participations:,} updates."
        )


def write(statement):
    """The statement in words.

    Args:
        statement: A `PrivacyStatement`.

    Returns:
        A string of lines of at most 80 characters.
    """
    lines = [_wrap(f"! {caveat}", indent=2) for caveat in statement.caveats]
    lines.append(_wrap(_guarantee(statement)))
    paragraphs = {
        "What an attacker can do": _attack(statement),
        "Unit of privacy": _unit(statement),
        "Neighboring data sets": _RELATIONS[statement.history.relation],
        "Public": _public(statement),
        **_updates(statement),
        "Without random batches": _without_random_batches(statement),
        "Assumed": _list(statement.assumptions),
        "May be published": _list(statement.released)
        or "nothing, according to this statement.",
        "Must not be published": _list(statement.withheld),
        "Not covered": _list(statement.not_covered),
    }
    lines += [
        _wrap(f"{title}: {text}", indent=2)
        for title, text in paragraphs.items()
        if text
    ]
    return "\n".join(lines)


def _guarantee(statement):
    if not statement.has_guarantee:
        unit = statement.history.unit
        return f"Epsilon is infinite: nothing is promised about any {unit}."
    if not statement.history.entries:
        return "No update was made, so the private data were not used (epsilon 0)."
    return (
        f"Differentially private with epsilon = {shown(statement.epsilon)} at delta = "
        f"{statement.delta:g}, by {ACCOUNTANT_NAMES[statement.accountant]}, "
        f"{statement.accounting_library}."
    )


def _attack(statement):
    curve = statement.trade_off
    if curve is None or not statement.history.entries:
        return ""
    mu = curve.gdp_mu(statement.smallest_rate)
    return (
        f"an attacker sees everything that is published, knows everything else, and "
        f"decides whether a {statement.history.unit} was in the data. "
        f"{attack_line(curve)} If 1 in 1,000 may be accused wrongly, it is at most "
        f"{_recognized(curve, 0.001)} in 100; if 1 in 10, at most "
        f"{_recognized(curve, 0.1)} in 100. The largest advantage (the share of "
        f"members recognized less that of outsiders accused) is "
        f"{rounded_up(curve.advantage)} in 100. If both kinds of errors have rates of "
        f"at least {statement.smallest_rate:g}, Gaussian differential privacy with "
        f"mu = {shown(mu)} covers it."
    )


def attack_line(trade_off):
    """The bound on what an attacker can do, in one sentence.

    Args:
        trade_off: A `TradeOff`.

    Returns:
        A string.
    """
    return (
        "An attacker who may accuse 1 in 100 outsiders wrongly can recognize at most "
        f"{_recognized(trade_off, 0.01)} in 100 members."
    )


def _recognized(trade_off, false_positive_rate):
    return rounded_up(trade_off.true_positive_rate(false_positive_rate))


def rounded_up(rate):
    """A rate in hundredths with one decimal, never rounded down."""
    return f"{math.ceil(1000 * rate - 1e-9) / 10:g}"


def _unit(statement):
    people = statement.max_records_per_person
    if statement.history.unit == "client":
        return "a client with all of its data."
    if people == 1:
        return "one row of the data. A person with several rows is protected less."
    return (
        f"one row of the data. For a person with up to {people} rows epsilon = "
        f"{shown(statement.group_epsilon)} at the same delta."
    )


def _public(statement):
    if statement.history.unit == "client":
        return "who takes part; the model, its hyper-parameters and its labels."
    if not statement.num_examples_is_public:
        return (
            "the model, its hyper-parameters and the labels it generates. The number "
            "of rows is not: what is published depends on it through noise alone."
        )
    n = statement.num_examples
    rows = "the number of rows" + ("" if n is None else f", n = {n:,}")
    return (
        f"{rows}, and so the probability that a row is drawn; the model, its "
        "hyper-parameters and the labels it generates."
    )


def _updates(statement):
    """One paragraph for each phase of updates."""
    entries = statement.history.entries
    titles = [f"Phase {i + 1}" for i in range(len(entries))]
    if len(entries) == 1:
        titles = ["Mechanism"]
    phases = [_phase(entry, statement.l2_norm_clip) for entry in entries]
    return dict(zip(titles, phases, strict=True))


def _phase(entry, l2_norm_clip):
    if entry.unit == "client":
        noise = _OF_A_CLIENT[entry.mechanism].format(f"{entry.noise_multiplier:g}")
        return f"{entry.count:,} rounds. In each, every client clips its update {noise}"
    if entry.sampling_probability == 1 and entry.clipped_count_stddev is None:
        return _phase_of_all_rows(entry)
    adaptive = entry.clipped_count_stddev is not None
    clip = "" if l2_norm_clip is None else f" of {l2_norm_clip:g}"
    if adaptive:
        clip += " at first, which adapts"
    text = (
        f"{entry.count:,} discriminator updates, {_sampling(entry)}. In each, every "
        f"row's gradient is clipped to an L2 norm{clip}, and {_noise(entry)} is added "
        "to their sum."
    )
    if adaptive:
        text += (
            " The clip follows a count of clipped rows with noise of "
            f"{entry.clipped_count_stddev:g}, which epsilon includes."
        )
    return text


def _phase_of_all_rows(entry):
    noise = _noise(entry).replace("the clip", "that")
    return (
        f"{entry.count:,} sums over all rows (of counts, moments or gradients). One "
        f"row moves each sum by at most a size that is fixed beforehand, and {noise} "
        "is added."
    )


def _noise(entry):
    if entry.mechanism == "laplace":
        return f"Laplace noise of a scale of {entry.noise_multiplier:g} times the clip"
    if entry.excess_divergence is None:
        return f"Gaussian noise of {entry.noise_multiplier:g} times the clip"
    return (
        "discrete Gaussian noise, of which each of those who add the sum up gives a "
        f"share, of {entry.noise_multiplier:g} times the clip enlarged by rounding,"
    )


def _sampling(entry):
    if entry.sampling_probability is not None:
        seeded = "seeded " if entry.seeded_sampling else ""
        return (
            f"each on a {seeded}Poisson sample that contains a row with probability "
            f"{entry.sampling_probability:.4g}"
        )
    if entry.allocation_batches is not None:
        return (
            "under random allocation: a draw puts each row into one of "
            f"{entry.allocation_batches:,} consecutive updates, and a new draw into "
            f"one of the next ones, {entry.participations:,} times in all"
        )
    if entry.max_participations is not None:
        return f"with each row declared to be in at most {entry.participations:,}"
    return "each of which may contain any row"


def _without_random_batches(statement):
    if statement.epsilon_once_per_epoch is None or not statement.has_guarantee:
        return ""
    return (
        "if each row had been in one batch per epoch instead, in an order fixed "
        "beforehand (shuffled batches), epsilon would be "
        f"{shown(statement.epsilon_once_per_epoch)} for replacing one row by a null "
        "row."
    )


def shown(epsilon):
    """An epsilon with four digits, never rounded down."""
    if math.isinf(epsilon):
        return "infinite"
    if epsilon == 0:
        return "0"
    unit = 10.0 ** (math.floor(math.log10(epsilon)) - 3)
    rounded = math.ceil(epsilon / unit - 1e-9) * unit
    return f"{rounded:,.0f}" if rounded >= 1000 else f"{rounded:.4g}"


def _list(items):
    return "; ".join(items) + "." if items else ""


def _wrap(text, indent=0):
    return textwrap.fill(text, _WIDTH, subsequent_indent=" " * indent)
