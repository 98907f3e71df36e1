"""What the first update of a recurrent discriminator costs, since it is traced then.

The figures are seconds of processor time from `fit` to the end of one update, and those
of the same GAN with `private=False`, whose discriminator is updated as Keras does it.
"""

import time

import keras
import numpy as np

import keras_dpgan as dpgan

STEPS, FEATURES, UNITS, ROWS = 32, 16, 16, 64

LAYERS = {
    "LSTM": lambda: keras.layers.LSTM(UNITS),
    "GRU": lambda: keras.layers.GRU(UNITS),
    "SimpleRNN": lambda: keras.layers.SimpleRNN(UNITS),
    "Bidirectional(LSTM)": lambda: keras.layers.Bidirectional(keras.layers.LSTM(UNITS)),
}


def seconds(layer, penalty, private):
    """The processor time of one `fit` of one update.

    Args:
        layer: A function that makes a layer.
        penalty: Float, the weight of the gradient penalty, or `None`.
        private: Bool.
    """
    shape = (STEPS, FEATURES)
    discriminator = keras.Sequential(
        [keras.Input(shape), layer(), keras.layers.Dense(1)]
    )
    generator = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(STEPS * FEATURES, activation="tanh"),
            keras.layers.Reshape(shape),
        ]
    )
    d_optimizer = keras.optimizers.Adam()
    if private:
        d_optimizer = dpgan.optimizers.DPKerasAdamOptimizer(1.0, 1.0)
    gan = dpgan.DPGAN(discriminator, generator)
    gan.compile(
        d_optimizer,
        keras.optimizers.Adam(),
        loss="wasserstein",
        gradient_penalty=penalty,
        private=private,
    )
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (ROWS, *shape)).astype(np.float32)
    start = time.process_time()
    gan.fit(x, batch_size=ROWS, epochs=1, verbose=0)
    return time.process_time() - start


def main():
    seconds(LAYERS["SimpleRNN"], None, False)  # What is slow only once.
    print("| layer | penalty | private | plain | of plain |")
    print("| --- | --- | --- | --- | --- |")
    for name, layer in LAYERS.items():
        for penalty in (None, 10.0):
            plain, private = (seconds(layer, penalty, p) for p in (False, True))
            found = f"{private:.1f} | {plain:.1f} | {private / plain:.1f}x"
            print(f"| {name} | {penalty or 'none'} | {found} |", flush=True)


if __name__ == "__main__":
    main()
