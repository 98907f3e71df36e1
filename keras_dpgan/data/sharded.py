"""Draws each replica's batches from its own share of the records."""

import tensorflow as tf


def distribute(dataset, strategy, steps_per_epoch):
    """Lets each replica draw Poisson batches from its own records.

    Replica r of R draws from the records r, r + R, r + 2R and so on, all with the same
    q. So no two replicas can draw the same record, and the replicas' batches together
    are one Poisson batch of all records.

    Args:
        dataset: A `PoissonDataset`, the same one in each worker.
        strategy: A `tf.distribute.Strategy` with equally many replicas per worker.
        steps_per_epoch: Int.

    Returns:
        An endless `tf.distribute.DistributedDataset` of batches of any size.
    """
    dtypes = [tf.as_dtype(dtype) for dtype in dataset.records.dtypes]

    def batches_of_worker(context):
        num_replicas = context.num_replicas_in_sync
        here = num_replicas // context.num_input_pipelines
        first = context.input_pipeline_id * here

        def draw(number):
            step, replica = divmod(int(number), here)
            epoch, index = divmod(step, steps_per_epoch)
            # Keras, too, moves other data sets on before the first epoch.
            return dataset.draw_shard(1 + epoch, index, first + replica, num_replicas)

        def batch(number):
            parts = tf.numpy_function(draw, [number], dtypes)
            return tuple(
                tf.ensure_shape(part, (None, *shape))
                for part, shape in zip(parts, dataset.records.shapes, strict=True)
            )

        # An end would let replicas ask each other at each step whether it is there.
        numbers = tf.data.Dataset.counter()
        batches = numbers.map(batch, num_parallel_calls=dataset.workers)
        return batches.prefetch(dataset.max_queue_size)

    return strategy.distribute_datasets_from_function(batches_of_worker)
