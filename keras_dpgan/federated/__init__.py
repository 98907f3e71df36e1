"""Training across clients whose records never leave them.

What needs Flower stands in `keras_dpgan.federated.flower`, what needs TenSEAL in
`encryption` and `key_holder`; nothing here loads either.
"""

import typing

from keras_dpgan._utils import lazy
from keras_dpgan.federated.client_budget import ClientBudget as ClientBudget
from keras_dpgan.federated.cohort import Cohort as Cohort
from keras_dpgan.federated.federated_client import FederatedClient as FederatedClient
from keras_dpgan.federated.federated_client import (
    FederatedKeyHolder as FederatedKeyHolder,
)
from keras_dpgan.federated.federated_client import client_app as client_app
from keras_dpgan.federated.gaussian_update import GaussianUpdate as GaussianUpdate
from keras_dpgan.federated.joint_mixture import JointMixture as JointMixture
from keras_dpgan.federated.joint_mixture import joint_mixture as joint_mixture
from keras_dpgan.federated.joint_mixture import joint_noise as joint_noise
from keras_dpgan.federated.joint_reports import JointReports as JointReports
from keras_dpgan.federated.joint_reports import ReportsHere as ReportsHere
from keras_dpgan.federated.kept_model import KeptModel as KeptModel
from keras_dpgan.federated.laplace_update import LaplaceUpdate as LaplaceUpdate
from keras_dpgan.federated.local_training import LocalTraining as LocalTraining
from keras_dpgan.federated.own_noise import OwnNoise as OwnNoise
from keras_dpgan.federated.priv_unit import PrivUnit as PrivUnit
from keras_dpgan.federated.record_owner import RecordOwner as RecordOwner
from keras_dpgan.federated.record_sum_noise import RecordSumNoise as RecordSumNoise
from keras_dpgan.federated.round_budget import RoundBudget as RoundBudget
from keras_dpgan.federated.round_log import RoundLog as RoundLog
from keras_dpgan.federated.rounds import max_rounds as max_rounds
from keras_dpgan.federated.rounds import rounds_epsilon as rounds_epsilon
from keras_dpgan.federated.shared_noise import SharedNoise as SharedNoise

if typing.TYPE_CHECKING:
    from keras_dpgan.federated import encryption as encryption
    from keras_dpgan.federated import flower as flower
    from keras_dpgan.federated import key_holder as key_holder
    from keras_dpgan.federated import keys as keys
    from keras_dpgan.federated import signatures as signatures
else:
    __getattr__, __dir__ = lazy.submodules(
        __name__, ("encryption", "flower", "key_holder", "keys", "signatures")
    )
