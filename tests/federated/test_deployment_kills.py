"""Whoever is killed in a deployment costs rounds, and no privacy."""

import importlib.util
import json
import random
import re
import time

import deployment_here
import pytest

from keras_dpgan import privacy

pytest.importorskip("flwr")
if importlib.util.find_spec("tenseal") is None:
    pytest.skip("needs TenSEAL", allow_module_level=True)

pytestmark = [pytest.mark.slow, deployment_here.POSSIBLE]

CONNECTED, RECEIVED, ANSWERED = "SuperNode ID", "Receiving:", "Sent successfully"


def entries(path):
    """What a file of the ledger's form has been told."""
    if not path.exists():
        return []
    return [json.loads(line)["entry"] for line in path.read_text().splitlines()]


def answers(deployment, number, action):
    """The answers of a node that its SuperNode began to send."""
    return len(re.findall(f"Sending: {action} ", deployment.log(f"node-{number}")))


def kill_node(deployment, number):
    """Kills a SuperNode with its apps; returns what starts it again."""
    process = deployment.node(number)
    command = deployment_here.command_of(process)
    deployment_here.kill(process)
    return command


def start_again(deployment, number, command):
    """Starts a SuperNode as a service manager does, until it is let in.

    It is not before it has missed its heartbeats, which takes up to a minute.
    """
    name = f"node-{number}"
    before = deployment.log(name).count(CONNECTED)

    def is_let_in():
        return deployment.log(name).count(CONNECTED) > before

    while not is_let_in():
        process = deployment.start(name, command)
        deployment.wait_for(lambda p=process: is_let_in() or p.poll() is not None)


def history_of(folder):
    """What the server's ledger says."""
    with privacy.Ledger(folder / "ledger", "federated digits") as ledger:
        return ledger.history()


def test_a_killed_client_costs_no_round_and_keeps_its_limit(tmp_path):
    # One round costs 1.58, two cost 1.85.
    with deployment_here.Deployment(
        tmp_path,
        "masked-records",
        "rounds=3",
        "max-dropouts=1",
        "noise-multiplier=1.0",
        "expected-batch-size=128.0",
        NUM_CLIENTS="4",
        NODE_CONFIG="epsilon=1.7 delta=1e-4",
    ) as deployment:
        ledger = tmp_path / "client-1.ledger"
        deployment.wait_for(lambda: entries(ledger))
        time.sleep(random.uniform(0, 3))
        command = kill_node(deployment, 1)
        given = answers(deployment, 1, "train.masked_update")
        # The round is over.
        keys = "Receiving: train.masked_keys"
        deployment.wait_for(lambda: deployment.log("node-2").count(keys) == 2)
        start_again(deployment, 1, command)
        run = deployment.wait()
    assert given <= 1
    assert run["rounds"] == 3
    # The first was opened without it; afterwards nobody can pay, nor can it.
    assert run["lost_rounds"] == 2
    assert sum(run["left_out"].values()) >= 1
    assert run["abstentions"] in (7, 8)
    assert (
        "Sending: train.masked_update" in deployment.log("node-1").split(CONNECTED)[2]
    )
    for number in range(4):
        assert len(entries(tmp_path / f"client-{number}.ledger")) == 1
    history = history_of(tmp_path)
    assert history.total_updates == 3
    assert run["epsilon"] == pytest.approx(privacy.epsilon(history, 1e-4))


def test_a_killed_key_holder_opens_later_rounds_and_none_twice(tmp_path):
    settings = ["encrypted-records", "rounds=3"]
    with deployment_here.Deployment(tmp_path, *settings) as deployment:

        def opened(purpose="update"):
            files = tmp_path.glob("keys-of-3/opened-*")
            lines = [line for file in files for line in entries(file)]
            return [x["opened"] for x in lines if x["purpose"] == purpose]

        deployment.wait_for(opened)
        time.sleep(random.uniform(0, 5))
        command = kill_node(deployment, 3)
        # The server has lost the second round, and begun the third.
        vote = "Receiving: query.budget_vote"
        deployment.wait_for(lambda: deployment.log("node-0").count(vote) == 3)
        start_again(deployment, 3, command)
        run = deployment.wait()
    assert run["rounds"] == 3
    assert run["lost_rounds"] in (1, 2)
    assert opened() == [0, 2]
    votes = opened("vote")
    assert votes == sorted(set(votes))


@pytest.mark.parametrize("victim", ["flwr-serverapp", "flower-superlink"])
def test_a_killed_server_goes_on_and_counts_what_it_has_lost(tmp_path, victim):
    settings = ["record-level", "rounds=2"]
    with deployment_here.Deployment(tmp_path, *settings) as deployment:
        deployment.wait_for(lambda: answers(deployment, 0, "train.record_sum"))
        time.sleep(random.uniform(0, 5))
        (process,) = deployment.processes(victim)
        deployment_here.kill(process)
        lost = answers(deployment, 0, "train.record_sum")
    assert not (tmp_path / "run.json").exists()
    with deployment_here.Deployment(tmp_path, *settings) as deployment:
        run = deployment.wait()
        given = lost + answers(deployment, 0, "train.record_sum")
    history = history_of(tmp_path)
    assert lost >= 1
    # Of the update in which it was killed nobody may have answered.
    assert given <= history.total_updates <= given + 1
    assert history.total_updates >= run["rounds"] == 2
    assert run["epsilon"] == pytest.approx(privacy.epsilon(history, 1e-4))
