"""Several replicas and workers: one release, one noise, one generator."""

import pathlib

import cluster
import pytest

SCRIPT = pathlib.Path(__file__).parent / "worker.py"


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "replicas"), [(1, 2), (2, 1)])
def test_all_have_one_release_and_train_one_generator(workers, replicas):
    first, *others = cluster.run(SCRIPT, [replicas], workers)
    assert first["counts"] == [1]
    assert first["g_loss"][1] < first["g_loss"][0]
    for other in others:
        assert other == first
