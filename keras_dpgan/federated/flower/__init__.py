"""What the modes say to each other over Flower."""

from keras_dpgan._utils import lazy

try:
    import flwr  # noqa: F401
except ImportError as error:
    raise ImportError(
        "`keras_dpgan.federated.flower` needs Flower, which is not installed. Run: "
        'pip install "keras-dpgan[federated]"'
    ) from error

__getattr__, __dir__ = lazy.submodules(
    __name__,
    (
        "answered",
        "client_side",
        "client_updates",
        "contributions",
        "encrypted_sums",
        "group",
        "hidden_records",
        "hidden_updates",
        "joint_releases",
        "local_records",
        "masked_sums",
        "record_level",
        "training",
    ),
)
