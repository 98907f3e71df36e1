"""The client's side of a Flower app, which is one call."""

import hashlib
import types

import numpy as np
import pytest

pytest.importorskip("flwr")
pytest.importorskip("cryptography")

from flwr.app import Context
from flwr.app import Message
from flwr.app import RecordDict

from keras_dpgan import federated
from keras_dpgan.federated import supernode
from keras_dpgan.federated.flower import client_updates
from keras_dpgan.federated.flower import masked_sums
from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.flower import record_level

OWN = federated.GaussianUpdate(1.0, noise_multiplier=10.0)
WEIGHTS = [np.zeros((3, 2), np.float32), np.zeros(2, np.float32)]


class Training:
    """A `LocalTraining` whose weights move by one."""

    def weights_after(self, d_weights, g_weights):
        del g_weights
        return [w + 1 for w in d_weights]


def client_of(tmp_path, **changed):
    """A client of local-clients."""
    own = {
        "mode": "local-clients",
        "records": Training,
        "ledger": tmp_path / "ledger",
        "mechanism": OWN,
    }
    return federated.FederatedClient(**{**own, **changed})


def context_of(**run_config):
    return Context(1, 7, {"partition-id": 0}, RecordDict(), run_config)


def ask(app, action, content, context):
    message = Message(content, dst_node_id=7, message_type=action)
    message.metadata.__dict__["_src_node_id"] = 1
    return app(message, context).content


def request(mechanism=OWN, number=0, run="a run"):
    return messages.write(
        WEIGHTS,
        num_d_weights=1,
        mechanism=messages.mechanism_text(mechanism),
        **messages.facts_of(run, number, WEIGHTS),
    )


def test_a_client_answers_the_mode_that_it_has_agreed_to_and_no_other(tmp_path):
    app = federated.client_app(lambda context: client_of(tmp_path))
    context = context_of(mode="record-level")
    answer = ask(app, client_updates.CLIENT_UPDATE, request(), context)
    (update,), _ = messages.read(answer)
    assert update.shape == (3, 2)
    for action in (
        record_level.NUM_RECORDS,
        record_level.RECORD_SUM,
        "train.local_records",
        masked_sums.KEYS,
        masked_sums.REVEAL,
        "query.open_sum",
        "query.count_votes",
    ):
        with pytest.raises(PermissionError, match="agreed to local-clients|no key"):
            ask(app, action, request(number=1), context)


@pytest.mark.parametrize("noise_multiplier", [1e-9, 9.99])
def test_a_server_that_asks_for_less_noise_gets_nothing(tmp_path, noise_multiplier):
    weak = federated.GaussianUpdate(1.0, noise_multiplier)
    app = federated.client_app(lambda context: client_of(tmp_path))
    context = context_of(**{"update-noise": noise_multiplier})
    with pytest.raises(messages.InvalidMessageError, match="mechanism"):
        ask(app, client_updates.CLIENT_UPDATE, request(weak), context)
    assert not (tmp_path / "ledger").exists()


def test_a_client_that_says_nothing_of_a_limit_has_one(tmp_path):
    app = federated.client_app(lambda context: client_of(tmp_path))
    allowed = federated.max_rounds(OWN, epsilon=10.0, delta=1e-5)
    assert client_of(tmp_path).budget.max_rounds == allowed
    answered = 0
    for number in range(allowed + 5):
        # A context of its own: another run of the server's.
        content = ask(
            app, client_updates.CLIENT_UPDATE, request(number=number), context_of()
        )
        answered += bool(messages.read(content)[0])
    assert answered == allowed


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mode": "unknown"}, "`mode` must be one of"),
        ({"mechanism": None}, "`mechanism` must be given in the mode 'local-clients'"),
        ({"mode": "record-level"}, "`terms` must be given"),
        ({"mode": "masked-sums"}, "`signing_key` must be given"),
        ({"epsilon": 0.0}, "`epsilon`"),
        ({"epsilon": float("inf")}, "`epsilon`"),
        ({"delta": 1.0}, "`delta`"),
    ],
)
def test_a_client_that_lacks_something_is_refused(tmp_path, changed, message):
    with pytest.raises(ValueError, match=message):
        client_of(tmp_path, **changed)


def supernode_module(read):
    return types.SimpleNamespace(get_fused_config_from_fab=read)


def test_a_pinned_node_takes_one_app_alone():
    fab, run = b"an app", object()
    module = supernode_module(lambda fab, run: (fab, run))
    supernode.pin(module, hashlib.sha256(fab).hexdigest().upper())
    assert module.get_fused_config_from_fab(fab, run) == (fab, run)
    with pytest.raises(supernode.UnknownAppError, match="Nothing of it has run"):
        module.get_fused_config_from_fab(b"another app", run)


def test_flower_has_the_place_where_an_app_is_pinned():
    module = pytest.importorskip("flwr.supernode.start_client_internal")
    assert callable(module.get_fused_config_from_fab)
    with pytest.raises(RuntimeError, match="no app can be pinned"):
        supernode.pin(types.SimpleNamespace(), "0" * 64)


@pytest.mark.parametrize("app_hash", ["", "0" * 63, "g" * 64])
def test_what_is_no_hash_is_refused(app_hash):
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        supernode.pin(supernode_module(len), app_hash)
