"""What the modes say to each other over Flower."""

try:
    import flwr  # noqa: F401
except ImportError as error:
    raise ImportError(
        "`keras_dpgan.federated.flower` needs Flower, which is not installed. Run: "
        'pip install "keras-dpgan[federated]"'
    ) from error
