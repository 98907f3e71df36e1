import math

from examples.audit import attack_lib

FEW = {"updates": 3, "num_samples": 50}


def test_each_attack_is_printed_beside_the_claim():
    attacks = attack_lib.run(attack_lib.Settings(**FEW))
    assert len({attack.name for attack in attacks}) == 3
    for attack in attacks:
        assert 0 < attack.audit.claimed_epsilon < math.inf
        assert not attack.audit.refutes_claim
        assert f"AUC {attack.found.auc:.3f}" in str(attack)
        assert f"epsilon = {attack.audit.claimed_epsilon:.3g}" in str(attack)


def test_without_privacy_nothing_is_claimed():
    attacks = attack_lib.run(attack_lib.Settings(private=False, **FEW))
    assert all(attack.audit.claimed_epsilon == math.inf for attack in attacks)
