"""Flower's robust aggregation, for the modes in which the server sees updates."""

import numpy as np
from flwr.app import ArrayRecord
from flwr.app import RecordDict
from flwr.serverapp.strategy.fedtrimmedavg import trim_mean
from flwr.serverapp.strategy.multikrum import select_multikrum

from keras_dpgan._utils import validate


def trimmed_mean(cut_fraction):
    """The mean without the largest and smallest values of each coordinate.

    Source: Yin et al. 2018, "Byzantine-Robust Distributed Learning".

    Args:
        cut_fraction: Float in (0, 1), the share of clients that is cut at each
            end.

    Returns:
        A function for `combine` of `LocalRecords` and `ClientUpdates`.
    """
    cut_fraction = validate.check_probability("cut_fraction", cut_fraction)

    def combine(parts):
        return [
            trim_mean(np.stack(arrays), cut_fraction).astype(arrays[0].dtype)
            for arrays in zip(*parts, strict=True)
        ]

    return combine


def krum(num_malicious):
    """The one client's arrays that are nearest to most others'.

    Source: Blanchard et al. 2017, "Machine Learning with Adversaries".

    Args:
        num_malicious: Int, how many clients may send nonsense.

    Returns:
        A function for `combine` of `LocalRecords` and `ClientUpdates`.
    """
    num_malicious = validate.check_int("num_malicious", num_malicious, minimum=0)

    def combine(parts):
        contents = [RecordDict({"arrays": ArrayRecord(arrays)}) for arrays in parts]
        (chosen,) = select_multikrum(contents, num_malicious, num_nodes_to_select=1)
        return chosen.array_records["arrays"].to_numpy_ndarrays()

    return combine
