"""Private handwritten digits, and how useful they are."""

import dataclasses
import json
import pathlib

import experiment
import numpy as np

import keras_dpgan as dpgan

# The GAN's were tuned on these digits, which are public: with private ones that would
# have to be paid for.
DEFAULTS = experiment.Settings(
    output_dir="out/digits",
    recipe="best",
    updates=1500,
    batch_size=128,
    discriminator_steps=5,
    d_learning_rate=5e-3,
    g_learning_rate=2e-3,
    beta_1=0.0,
    delta=1e-4,
    latent_dim=16,
    d_width=16,
    g_width=128,
    epochs=5,
)

_WRITTEN = {
    "samples.png": "a row of digits for each label",
    "samples": "a grid per epoch, and training.gif",
    "curve.png": "generator loss against epsilon",
    "generator": "the exported generator, with its privacy card",
    "privacy.txt": "what was proven",
    "run.json": "settings, versions, history, epsilon, timings",
    "accuracies.json": "the table above",
    "not_private": "the same of a GAN without privacy",
}


def networks(settings):
    """A small discriminator: noise grows with the number of its weights."""
    import keras

    discriminator = dpgan.models.image_discriminator(
        (8, 8, 1), num_classes=10, width=settings.d_width
    )
    vectors = dpgan.models.vector_generator(
        64,
        settings.latent_dim,
        num_classes=10,
        hidden=(settings.g_width, settings.g_width),
        output_activation="tanh",
    )
    images = keras.layers.Reshape((8, 8, 1))(vectors.output)
    return discriminator, keras.Model(vectors.inputs, images, name="generator")


def accuracy_of_classifier(x_train, y_train, x_test, y_test):
    """Accuracy, on real digits, of a support vector machine."""
    from sklearn.svm import SVC

    classifier = SVC().fit(x_train.reshape(len(x_train), -1), y_train)
    return classifier.score(x_test.reshape(len(x_test), -1), y_test)


def train(settings, verbose="auto"):
    """Makes digits with and without privacy and compares what they are good for.

    Those without privacy are always a GAN's.

    Args:
        settings: `experiment.Settings`.
        verbose: As in `keras.Model.fit`.

    Returns:
        Dict of accuracies, by what the classifier was trained on.
    """
    (x_train, y_train), test = dpgan.data.load_digits()
    accuracies = {"real digits": accuracy_of_classifier(x_train, y_train, *test)}
    baseline = dataclasses.replace(settings, dpsgd=False, recipe="gan")
    runs = {"digits of a GAN without privacy": baseline}
    if settings.dpsgd:
        output_dir = str(pathlib.Path(settings.output_dir) / "not_private")
        runs = {
            "digits generated privately": settings,
            "digits of a GAN without privacy": dataclasses.replace(
                baseline, output_dir=output_dir
            ),
        }
    labels = np.arange(4000) % 10
    for name, run in runs.items():
        print(f"\nTraining: {name}", flush=True)
        gan = experiment.train(run, x_train, y_train, networks, verbose)
        x, y = gan.sample(len(labels), labels, seed=0)
        accuracies[name] = accuracy_of_classifier(x, y, *test)
        if run.dpsgd:
            print(gan.privacy_statement(delta=run.delta), flush=True)
    report(accuracies, settings.output_dir)
    return accuracies


def report(accuracies, output_dir):
    """Prints what came out, and where it is."""
    folder = pathlib.Path(output_dir).resolve()
    (folder / "accuracies.json").write_text(json.dumps(accuracies, indent=2) + "\n")
    print("\nAccuracy on real test digits of a classifier trained on")
    for name, value in accuracies.items():
        share = value / accuracies["real digits"]
        print(f"  {name:34s} {value:6.1%}  ({share:.0%} of real)")
    print(
        "The settings were chosen by results on these digits, which are public; on\n"
        "private data that choice, and these accuracies, would have to be paid for."
    )
    print(f"\nWritten to {folder}:")
    for name, content in _WRITTEN.items():
        if (folder / name).exists():
            print(f"  {name:16s} {content}")
