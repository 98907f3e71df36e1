"""What a client does: `flower-supernode`, or simulate.py, starts it."""

import pathlib

import task

import keras_dpgan as dpgan
from keras_dpgan.federated import keys
from keras_dpgan.federated.flower.record_level import RecordTerms


def make_party(context):
    """This node, by its own settings: none is the server's."""
    own = task.own_settings(context)
    if task.is_key_holder(own):
        mechanism = task.mechanism_of(own)
        folder = pathlib.Path(own["keys"])
        return dpgan.federated.FederatedKeyHolder(
            signing_key=(folder / "holder.signing").read_bytes(),
            holder=keys.load_key_holder(folder, mechanism.num_parameters),
            counter=keys.load_vote_counter(folder, mechanism.cohort.threshold),
        )
    mode, hidden = own["mode"], {}
    if mode in task.MODES_OF_HIDDEN_SUMS:
        hidden = keys_of(own)
    if mode == "record-level":
        hidden = {"terms": RecordTerms(own["noise-multiplier"], task.largest_q(own))}
    return dpgan.federated.FederatedClient(
        mode=mode,
        records=lambda: task.records_of(own),
        ledger=own["ledger"],
        epsilon=own["epsilon"],
        delta=own["delta"],
        mechanism=task.mechanism_of(own),
        on_model=task.keeper_of(own),
        **hidden,
    )


def keys_of(own):
    """What a client signs, masks and encrypts with."""
    folder = pathlib.Path(own["keys"])
    signing = folder / f"client-{own['partition-id']}.signing"
    return {
        "signing_key": signing.read_bytes(),
        "registry": keys.load_registry(folder),
        "context": (folder / "public.context").read_bytes(),
        "sealing_key": (folder / "public.votes").read_bytes(),
    }


app = dpgan.federated.client_app(make_party)
