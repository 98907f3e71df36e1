"""The Flower app over real processes, with TLS and authentication."""

import importlib.util
import time

import deployment_here
import pytest

pytest.importorskip("flwr")
if importlib.util.find_spec("tenseal") is None:
    pytest.skip("needs TenSEAL", allow_module_level=True)

pytestmark = [pytest.mark.slow, deployment_here.POSSIBLE]


@pytest.mark.parametrize(
    "mode", ["record-level", "masked-records", "encrypted-records", "local-records"]
)
def test_three_clients_train_two_rounds_and_leave_nothing_running(tmp_path, mode):
    settings = ["rounds=2", "local-updates=1"]
    with deployment_here.Deployment(tmp_path, mode, *settings) as deployment:
        run = deployment.wait()
        # Flower's own helpers end when they notice that their parent has.
        deadline = time.monotonic() + 20
        while deployment.commands() and time.monotonic() < deadline:
            time.sleep(0.5)
        assert deployment.commands() == []
    assert run["rounds"] == 2
    assert run.get("lost_rounds", 0) == 0
    assert run["left_out"] == {}
    assert run["abstentions"] == 0
