"""Products of the precision that the clip's bounds assume."""

import numpy as np
import tensorflow as tf

# Needs 17 bits: TensorFloat-32 keeps 11 and bfloat16 keeps 8.
_FINE = np.float32(1.0 + 2.0**-16)


def require_full_precision():
    """Turns TensorFloat-32 off, and checks that float32 products are of float32.

    TensorFlow rounds the inputs of matrix products and convolutions to 10 bits on the
    newer Nvidia GPUs, unless told not to. The norm of a record's gradient and what is
    added to the sum would then differ by more than the clip allows. The switch is one
    for the whole process.

    Raises:
        ValueError: If products are still rounded more coarsely.
    """
    tf.config.experimental.enable_tensor_float_32_execution(False)
    with tf.init_scope():
        # Of a size for which fast kernels are used.
        fine = tf.fill((256, 256), _FINE)
        product = tf.matmul(fine, tf.eye(256))
    if not np.all(product.numpy() == _FINE):
        raise ValueError(
            "Products of float32 tensors are rounded to fewer bits on this device, so "
            "that the clip would not hold. Unset what makes TensorFlow do so, such as "
            "the environment variables `ONEDNN_DEFAULT_FPMATH_MODE`, "
            "`TF_SET_ONEDNN_FPMATH_MODE` and `NVIDIA_TF32_OVERRIDE`."
        )
