"""Which rounds a client has answered: none twice."""

from keras_dpgan.federated.flower import messages

_NAME = "answered_rounds"
# Of how many runs a client remembers its last round.
_MOST_RUNS = 1000


def enter_round(state, run, number):
    """Enters a round as answered.

    Args:
        state: The `flwr.app.RecordDict` of the client's context.
        run: String, the run's name, or that of the mode where a run has none.
        number: Int, the round.

    Raises:
        InvalidMessageError: If the client has answered this round of the run, or a
            later one, or has answered too many runs.
    """
    if type(run) is not str or type(number) is not int or number < 0:
        raise messages.InvalidMessageError("wrong round")
    last = dict(state[_NAME]) if _NAME in state else {}
    if number <= last.get(run, -1):
        raise messages.InvalidMessageError("a round that was answered")
    if run not in last and len(last) >= _MOST_RUNS:
        raise messages.InvalidMessageError("too many runs")
    state[_NAME] = messages.facts_record(**{**last, run: number})
