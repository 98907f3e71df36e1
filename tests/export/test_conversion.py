"""LiteRT and ONNX: an export, converted, makes the same samples."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan import DPGAN
from keras_dpgan import models

pytestmark = pytest.mark.slow

LATENT_DIM = 16
SHAPE = (28, 28, 1)
KINDS = [
    pytest.param((conditional, residual), id=f"{conditional=}-{residual=}")
    for conditional in (False, True)
    for residual in (False, True)
]


@pytest.fixture(scope="module", params=KINDS)
def exported(request, tmp_path_factory):
    """The folder of an export, inputs, and what the generator makes of them."""
    conditional, residual = request.param
    classes = 10 if conditional else None
    gan = DPGAN(
        models.image_discriminator(SHAPE, num_classes=classes, width=8),
        models.image_generator(
            SHAPE, LATENT_DIM, num_classes=classes, width=8, residual=residual
        ),
    )
    folder = tmp_path_factory.mktemp("export") / "generator"
    gan.export(folder)
    latents = np.random.default_rng(0).normal(size=(3, LATENT_DIM)).astype(np.float32)
    inputs = {"latents": latents}
    if conditional:
        inputs["labels"] = np.array([1, 5, 9], np.int32)
    given = list(inputs.values()) if conditional else latents
    return folder, inputs, np.asarray(gan.generator(given, training=False)), residual


def run_with_litert(model, inputs):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = litert.Interpreter(model_content=model)
    return interpreter.get_signature_runner("serving_default")(**inputs)["samples"]


def test_litert_makes_the_same_samples(exported):
    folder, inputs, expected, residual = exported
    if residual:
        pytest.skip("the converter loses the height after UpSampling2D: fix the batch")
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(folder), signature_keys=["serving_default"]
    )
    drawn = run_with_litert(converter.convert(), inputs)
    np.testing.assert_allclose(drawn, expected, atol=1e-5)


def test_litert_of_a_fixed_batch_makes_the_same_samples(exported):
    folder, inputs, expected, _ = exported
    loaded = tf.saved_model.load(folder)

    @tf.function(autograph=False)
    def call(**given):
        values = [given[name] for name in inputs]
        return {"samples": loaded(values if len(values) > 1 else values[0])}

    specs = {k: tf.TensorSpec(v.shape, v.dtype, name=k) for k, v in inputs.items()}
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [call.get_concrete_function(**specs)], loaded
    )
    drawn = run_with_litert(converter.convert(), inputs)
    np.testing.assert_allclose(drawn, expected, atol=1e-5)


def test_onnx_makes_the_same_samples(exported, tmp_path):
    pytest.importorskip("tf2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    folder, inputs, expected, _ = exported
    out = tmp_path / "generator.onnx"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "tf2onnx.convert",
            f"--saved-model={folder}",
            "--signature_def=serving_default",
            f"--output={out}",
        ],
        check=True,
        capture_output=True,
        timeout=300,
    )
    session = onnxruntime.InferenceSession(out)
    np.testing.assert_allclose(session.run(None, inputs)[0], expected, atol=1e-5)
