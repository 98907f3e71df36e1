"""What server and key holder say to each other of one round's sum."""

import numpy as np
from flwr.app import ArrayRecord

from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.flower import signed
from keras_dpgan.federated.key_holder import EncryptedTotal

# Clients whose ciphertexts are in one message: neither grows with the clients.
_AT_ONCE = 16


class SumAtHolder:
    """The server's end: passes ciphertexts on as they come, then has the sum opened.

    Args:
        holder: A `ClientGroup` of the key holder alone.
        actions: Pair of strings, the key holder's functions that add and that open.
        facts: Dict with the `run` and the `round`.
    """

    def __init__(self, holder, actions, facts):
        self._holder, self._facts = holder, facts
        self._add, self._open = actions
        self._waiting, self.num_clients = [], 0

    def add(self, arrays):
        """Passes on what a client sent."""
        self._waiting.append(arrays)
        self.num_clients += 1
        if len(self._waiting) == _AT_ONCE:
            self._pass_on()

    def _pass_on(self):
        request = signed.join(self._waiting, **self._facts)
        form = messages.Form([(1,)], np.int64, self._facts)
        self._holder.ask(self._add, request, lambda node: form)
        self._waiting = []

    def open(self, shape, dtype):
        """What the key holder says of the sum; `None` where it does not answer.

        Args:
            shape: Tuple, that of its answer.
            dtype: NumPy dtype, that of its answer.
        """
        if self._waiting:
            self._pass_on()
        form = messages.Form([shape], dtype, self._facts)
        request = messages.write([], **self._facts)
        opened = self._holder.ask(self._open, request, lambda node: form)
        return next(iter(opened.values()))[0] if opened else None


class TotalInState:
    """The key holder's end: the sum so far, in its own state between messages.

    Args:
        state: The `flwr.app.RecordDict` of the key holder's context.
        purpose: String, of which there is a sum at a time.
    """

    def __init__(self, state, purpose):
        self._state, self._purpose = state, purpose
        self._names = f"{purpose}_of", f"{purpose}_total"

    def _read(self, facts):
        """The sum of a round; one of another round, which is over, is forgotten."""
        empty = EncryptedTotal(facts["run"], facts["round"])
        of, total = self._names
        if of not in self._state:
            return empty
        kept = self._state[of]
        if (kept["run"], kept["round"]) != (empty.run, empty.number):
            return empty
        ciphertexts = self._state[total].to_numpy_ndarrays()
        return EncryptedTotal(
            empty.run,
            empty.number,
            tuple(kept["clients"]),
            tuple(array.tobytes() for array in ciphertexts),
        )

    def answer_add(self, content, holder):
        """Adds what came; answers how many clients are in the sum.

        Args:
            content: The content of the request.
            holder: A `KeyHolder` that knows clients by their public keys.

        Returns:
            The content of the reply.
        """
        sent, facts = signed.read(content)
        total = holder.add(self._read(facts), sent)
        of, name = self._names
        self._state[name] = ArrayRecord(
            [messages.from_bytes(part) for part in total.ciphertexts]
        )
        self._state[of] = messages.facts_record(
            run=total.run, round=total.number, clients=list(total.clients)
        )
        return _reply(np.array([len(total.clients)], np.int64), facts)

    def answer_open(self, content, opened):
        """What becomes of the sum.

        Args:
            content: The content of the request.
            opened: Function from an `EncryptedTotal` to an array, such as
                `KeyHolder.open`.

        Returns:
            The content of the reply.

        Raises:
            RefusedError: See `KeyHolder.open`.
        """
        _, facts = messages.read(content)
        return _reply(opened(self._read(facts)), facts)


def _reply(array, facts):
    return messages.write([array], run=facts["run"], round=facts["round"])
