"""What a client hands to a hidden sum: functions of a request's arrays and facts."""

from keras_dpgan.federated.flower.client_updates import update_of


def of_training(training):
    """An update of the discriminator; the server's side is `HiddenUpdates`.

    Args:
        training: A `LocalTraining` of a `DPGAN` compiled with `private=False`.
    """

    def contribution(arrays, facts):
        split = facts["num_d_weights"]
        return update_of(training, arrays[:split], arrays[split:])

    return contribution


def of_records(owner, mechanism):
    """The clipped gradient sum of a sample; the server's side is `HiddenRecords`.

    Args:
        owner: A `RecordOwner`.
        mechanism: The `RecordSumNoise` that the client has agreed to. Clip and
            sampling probability are its own, whatever the server asks for.
    """

    def contribution(arrays, facts):
        pool, *weights = arrays
        return owner.clipped_sums(
            facts["round"],
            weights,
            pool,
            mechanism.l2_norm_clip,
            mechanism.sampling_probability,
        )

    return contribution
