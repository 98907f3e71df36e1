"""Models that people write, each of which keeps the fast engine."""

import keras
import tensorflow as tf

layers = keras.layers
ops = keras.ops


def stack(shape, *inside):
    return keras.Sequential(
        [keras.Input(shape), *inside, layers.Flatten(), layers.Dense(1)]
    )


def functional(shape, function):
    inputs = keras.Input(shape)
    return keras.Model(inputs, layers.Dense(1)(layers.Flatten()(function(inputs))))


def attention(inputs):
    hidden = layers.Dense(8)(inputs)
    hidden = hidden + layers.MultiHeadAttention(2, 4)(hidden, hidden)
    return layers.GlobalAveragePooling1D()(layers.LayerNormalization()(hidden))


def three_times(inputs):
    dense = layers.Dense(8, "tanh")
    return dense(dense(dense(inputs)))


def residual(inputs):
    hidden = layers.Conv2D(6, 3, padding="same", activation="silu")(inputs)
    hidden = layers.add([hidden, layers.Conv2D(6, 1)(inputs)])
    return layers.GlobalMaxPooling2D()(hidden)


def deviation_of_features(inputs):
    hidden = layers.Dense(8)(inputs)
    return ops.concatenate([hidden, ops.std(hidden, axis=1, keepdims=True)], 1)


class ClassToken(layers.Layer):
    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), name="token")

    def call(self, x):
        tokens = ops.broadcast_to(self.token, (ops.shape(x)[0], 1, x.shape[-1]))
        return ops.concatenate([tokens, x], 1)


class ScaledByWidth(layers.Layer):
    def call(self, x):
        return x / tf.sqrt(tf.cast(tf.shape(x)[-1], x.dtype))


class InBranches(layers.Layer):
    def call(self, x, training=False):
        return tf.cond(tf.constant(True), lambda: 2.0 * x, lambda: x)


class Tied(keras.Model):
    """A kernel that is used once more, transposed."""

    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(6)
        self.head = layers.Dense(1)
        self(tf.zeros((2, 8)))

    def call(self, x):
        return self.head(self.hidden(x) @ ops.transpose(self.hidden.kernel))


def low_rank():
    dense = layers.Dense(8)
    model = stack((8,), dense)
    dense.enable_lora(2)
    return model


def conditional(function):
    rows, labels = keras.Input((8,)), keras.Input((), dtype="int32")
    return keras.Model([rows, labels], function(rows, labels))


def concatenated(rows, labels):
    rows = layers.concatenate([rows, layers.Embedding(3, 8)(labels)])
    return layers.Dense(1)(layers.Dense(8, "relu")(rows))


def projection(rows, labels):
    hidden = layers.Dense(8, "relu")(rows)
    return layers.Dense(1)(hidden) + layers.Dot(1)(
        [hidden, layers.Embedding(3, 8)(labels)]
    )


ACTIVATIONS = (
    "relu tanh sigmoid silu gelu softplus selu mish hard_sigmoid exponential softsign "
    "relu6 log_sigmoid elu leaky_relu"
).split()
IMAGE, SERIES, VECTOR = (8, 8, 4), (6, 8), (8,)

MODELS = {
    "dense": lambda: stack(VECTOR, layers.Dense(16, "leaky_relu"), layers.Dense(8)),
    "activations": lambda: stack(VECTOR, *[layers.Dense(8, a) for a in ACTIVATIONS]),
    "softmax": lambda: stack(VECTOR, layers.Dense(8, "softmax"), layers.Softmax()),
    "strided": lambda: stack(IMAGE, layers.Conv2D(5, 3, 2, padding="same")),
    "dilated": lambda: stack(IMAGE, layers.Conv2D(5, 3, dilation_rate=2)),
    "causal": lambda: stack(
        SERIES, layers.Conv1D(5, 3, dilation_rate=2, padding="causal")
    ),
    "groups": lambda: stack(IMAGE, layers.Conv2D(6, 3, groups=2)),
    "depthwise": lambda: stack(IMAGE, layers.DepthwiseConv2D(3)),
    "separable": lambda: stack(IMAGE, layers.SeparableConv2D(5, 3)),
    "transposed": lambda: stack(IMAGE, layers.Conv2DTranspose(5, 3, 2)),
    "conv3d": lambda: stack((4, 4, 4, 2), layers.Conv3D(3, 2), layers.MaxPooling3D()),
    "conv1d": lambda: stack(SERIES, layers.Conv1D(5, 3), layers.MaxPooling1D()),
    "pools": lambda: stack(
        IMAGE, layers.Conv2D(4, 3), layers.MaxPooling2D(), layers.AveragePooling2D(2)
    ),
    "global pool": lambda: stack(
        IMAGE, layers.Conv2D(4, 3), layers.GlobalAveragePooling2D()
    ),
    "attention": lambda: functional(SERIES, attention),
    "grouped attention": lambda: functional(
        SERIES, lambda x: layers.GroupQueryAttention(4, 4, 2)(x, x)
    ),
    "additive attention": lambda: functional(
        SERIES, lambda x: layers.AdditiveAttention()([layers.Dense(8)(x), x])
    ),
    "class token": lambda: functional(SERIES, lambda x: ClassToken()(attention_in(x))),
    "gru": lambda: stack((5, 4), layers.GRU(3)),
    "lstm": lambda: stack((5, 4), layers.LSTM(3, return_sequences=True)),
    "bidirectional": lambda: stack((5, 4), layers.Bidirectional(layers.GRU(3))),
    "convlstm": lambda: stack((3, 5, 5, 2), layers.ConvLSTM2D(2, 3)),
    "time distributed": lambda: stack(
        (4, 6), layers.TimeDistributed(layers.Dense(3, "tanh"))
    ),
    "convolution at each time": lambda: stack(
        (3, 5, 5, 2), layers.TimeDistributed(layers.Conv2D(2, 3))
    ),
    "low rank": low_rank,
    "used three times": lambda: functional(VECTOR, three_times),
    "tied": Tied,
    "residual": lambda: functional(IMAGE, residual),
    "prelu": lambda: stack(VECTOR, layers.Dense(8), layers.PReLU()),
    "group norm": lambda: stack(
        IMAGE, layers.Conv2D(4, 3), layers.GroupNormalization(2)
    ),
    "layer norm": lambda: stack(VECTOR, layers.Dense(8), layers.LayerNormalization()),
    "rms norm": lambda: stack(VECTOR, layers.Dense(8), layers.RMSNormalization()),
    "unit norm": lambda: stack(VECTOR, layers.Dense(8), layers.UnitNormalization()),
    "dropout": lambda: stack(
        VECTOR, layers.Dense(8), layers.Dropout(0.3), layers.GaussianNoise(0.1)
    ),
    "spatial dropout": lambda: stack(
        IMAGE, layers.Conv2D(4, 3), layers.SpatialDropout2D(0.3)
    ),
    "upsampling": lambda: stack(
        (4, 4, 3),
        layers.UpSampling2D(),
        layers.Conv2D(2, 3),
        layers.ZeroPadding2D(),
        layers.Cropping2D(),
    ),
    "resizing": lambda: stack(
        (4, 4, 3), layers.Conv2D(2, 3), layers.Resizing(6, 6), layers.Rescaling(2.0)
    ),
    "permute": lambda: stack(
        (4, 6), layers.Dense(5), layers.Permute((2, 1)), layers.Dense(3)
    ),
    "repeat": lambda: stack(
        (6,), layers.Dense(5), layers.RepeatVector(3), layers.Dense(2)
    ),
    "einsum": lambda: stack(
        (4, 6), layers.EinsumDense("abc,cde->abde", (4, 2, 3), bias_axes="de")
    ),
    "maxout": lambda: stack(
        VECTOR, layers.Dense(12), layers.Reshape((6, 2)), layers.GlobalMaxPooling1D()
    ),
    "deviation": lambda: functional(VECTOR, deviation_of_features),
    "flips": lambda: stack(IMAGE, layers.RandomFlip(), layers.Conv2D(4, 3)),
    "augmentation": lambda: stack(
        (8, 8, 3),
        layers.RandomTranslation(0.1, 0.1),
        layers.RandomRotation(0.1),
        layers.RandomZoom(0.1),
        layers.Conv2D(4, 3),
    ),
    "half precision": lambda: keras.Sequential(
        [
            keras.Input(VECTOR),
            layers.Dense(8, dtype="mixed_float16"),
            layers.Dense(1, dtype="float32"),
        ]
    ),
    "scaled by width": lambda: stack(VECTOR, layers.Dense(8), ScaledByWidth()),
    "branches": lambda: stack(VECTOR, layers.Dense(8), InBranches()),
    "labels": lambda: conditional(concatenated),
    "projection": lambda: conditional(projection),
}


def attention_in(x):
    hidden = layers.Dense(8)(x)
    return layers.MultiHeadAttention(2, 4)(hidden, hidden)
