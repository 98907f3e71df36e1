"""What the image examples share: flags, training, and what they leave behind."""

import dataclasses
import importlib.metadata
import json
import pathlib
import platform
import time

import keras
import numpy as np
import settings_flags

import keras_dpgan as dpgan
from keras_dpgan.callbacks.grid import sample_grid


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that a run depends on; each field is a flag of its name.

    `epsilon` finds the noise, unless `noise_multiplier` gives it. With
    `recipe="best"` budget and seed are all that matters.
    """

    output_dir: str
    updates: int
    batch_size: int
    discriminator_steps: int
    d_learning_rate: float
    g_learning_rate: float
    beta_1: float
    delta: float
    latent_dim: int
    d_width: int
    g_width: int
    recipe: str = "gan"
    epsilon: float = 10.0
    noise_multiplier: float | None = None
    l2_norm_clip: float = 1.0
    loss: str = "non_saturating"
    gradient_penalty: float | None = None
    weight_clip: float | None = None
    g_ema_momentum: float | None = None
    engine: str = "auto"
    dpsgd: bool = True
    epochs: int = 10
    seed: int = 0


_HELP = {
    "output_dir": "Where everything is written.",
    "updates": "Discriminator updates in all.",
    "batch_size": "Expected size of a Poisson batch.",
    "discriminator_steps": "Discriminator updates per generator step.",
    "d_learning_rate": "Learning rate of the discriminator's Adam.",
    "g_learning_rate": "Learning rate of the generator's Adam.",
    "beta_1": "First moment's decay of both Adams.",
    "delta": "Delta of the privacy guarantee.",
    "latent_dim": "Size of a latent vector.",
    "d_width": "Channels of the discriminator's first layer.",
    "g_width": "Channels of the generator's last layers.",
    "recipe": "gan: the one that the other flags describe. best: recipes.best.",
    "epsilon": "Privacy budget; finds the noise unless noise_multiplier is given.",
    "noise_multiplier": "Noise on the clipped sum, in units of the clip.",
    "l2_norm_clip": "Largest gradient norm of one record.",
    "loss": "minimax, non_saturating, wasserstein, hinge or least_squares.",
    "gradient_penalty": "Weight of the gradient penalty; none if not given.",
    "weight_clip": "Limit of the discriminator's weights; none if not given.",
    "g_ema_momentum": "Decay of the average of the generator's weights that is kept.",
    "engine": "Clipping engine: auto, ghost, vectorized or tf_privacy.",
    "dpsgd": "Whether to train privately; --nodpsgd is the baseline without.",
    "epochs": "How often samples are written; the updates are divided by it.",
    "seed": "Seed of initial weights and latents; never of noise or sampling.",
}


def define_flags(defaults):
    """Defines a flag for each field of `Settings`.

    Args:
        defaults: `Settings` whose values are the flags' defaults.
    """
    settings_flags.define(defaults, _HELP.get)


def train(settings, x, y, networks, verbose="auto"):
    """Trains a GAN and writes samples, curve, export and `run.json`.

    Args:
        settings: `Settings`.
        x: Images of shape `(n, height, width, channels)` in [-1, 1].
        y: Int labels of shape `(n,)`.
        networks: Callable of settings that returns `(discriminator, generator)`.
        verbose: As in `keras.Model.fit`.

    Returns:
        The trained `DPGAN`.
    """
    if settings.recipe not in ("best", "gan"):
        raise SystemExit(f"--recipe is best or gan. Received: {settings.recipe!r}")
    output_dir = pathlib.Path(settings.output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(settings.seed)
    start = time.perf_counter()
    if settings.recipe == "best":
        gan, history = _train_best(settings, x, y, output_dir, verbose), {}
    else:
        gan, history = _train_gan(settings, x, y, networks, output_dir, verbose)
    seconds = time.perf_counter() - start
    gan.export(output_dir / "generator", overwrite=True)
    _write_run(gan, settings, history, seconds, output_dir)
    return gan


def _train_best(settings, x, y, output_dir, verbose):
    """Makes the recipe's model, and a grid of its samples."""
    if not settings.dpsgd or settings.noise_multiplier is not None:
        raise SystemExit(
            "--nodpsgd and --noise_multiplier go with --recipe=gan; --recipe=best "
            "takes --epsilon."
        )
    recipe = dpgan.recipes.best(
        x, y, int(y.max()) + 1, epsilon=settings.epsilon, delta=settings.delta
    )
    gan = recipe.fit(x, y, verbose=verbose)
    labels = np.repeat(np.arange(gan.num_classes), 10)
    images, _ = gan.sample(len(labels), labels, seed=settings.seed)
    sample_grid(images, labels, columns=10).save(output_dir / "samples.png")
    return gan


def _train_gan(settings, x, y, networks, output_dir, verbose):
    """Trains the networks; gives the model and the logs of its epochs."""
    noise_multiplier = _noise_multiplier(settings, len(x))
    gan = dpgan.DPGAN(*networks(settings))
    gan.compile(
        d_optimizer=_d_optimizer(settings, noise_multiplier),
        g_optimizer=_g_optimizer(settings),
        loss=settings.loss,
        gradient_penalty=settings.gradient_penalty,
        weight_clip=settings.weight_clip,
        discriminator_steps=settings.discriminator_steps,
        engine=settings.engine,
        private=settings.dpsgd,
    )
    callbacks = _callbacks(settings, output_dir)
    steps = max(1, settings.updates // settings.epochs)
    history = gan.fit(
        x,
        y,
        batch_size=settings.batch_size,
        steps_per_epoch=steps,
        epochs=min(settings.epochs, settings.updates),
        callbacks=callbacks,
        verbose=verbose,
    ).history
    draw_curve(history, output_dir / "curve.png")
    return gan, history


def _noise_multiplier(settings, num_examples):
    """The noise that was asked for, or that the budget asks for."""
    if not settings.dpsgd or settings.noise_multiplier is not None:
        return settings.noise_multiplier
    plan = dpgan.privacy.plan(
        num_examples=num_examples,
        expected_batch_size=settings.batch_size,
        epochs=settings.updates * settings.batch_size / num_examples,
        epsilon=settings.epsilon,
        delta=settings.delta,
    )
    print(plan, flush=True)
    return plan.noise_multiplier


def _d_optimizer(settings, noise_multiplier):
    arguments = {
        "learning_rate": settings.d_learning_rate,
        "beta_1": settings.beta_1,
    }
    if not settings.dpsgd:
        return keras.optimizers.Adam(**arguments)
    return dpgan.optimizers.DPKerasAdamOptimizer(
        l2_norm_clip=settings.l2_norm_clip,
        noise_multiplier=noise_multiplier,
        **arguments,
    )


def _g_optimizer(settings):
    arguments = {
        "learning_rate": settings.g_learning_rate,
        "beta_1": settings.beta_1,
    }
    if settings.g_ema_momentum is not None:
        arguments.update(use_ema=True, ema_momentum=settings.g_ema_momentum)
    return keras.optimizers.Adam(**arguments)


def _callbacks(settings, output_dir):
    """Epsilon, the averaged weights where there are any, and what they make."""
    callbacks = []
    if settings.dpsgd:
        callbacks.append(dpgan.callbacks.EpsilonTracker(delta=settings.delta))
    if settings.g_ema_momentum is not None:
        callbacks.append(keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    callbacks.append(dpgan.callbacks.SampleLogger(output_dir / "samples"))
    return callbacks


def draw_curve(history, path):
    """Draws the generator's loss against epsilon, or against epochs without."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 3), layout="constrained")
    epochs = np.arange(1, len(history["g_loss"]) + 1)
    axes.plot(history.get("epsilon", epochs), history["g_loss"], marker="o")
    axes.set_xlabel("epsilon" if "epsilon" in history else "epoch")
    axes.set_ylabel("generator loss (public fakes)")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _write_run(gan, settings, history, seconds, output_dir):
    statement = gan.privacy_statement(delta=settings.delta)
    packages = ("keras", "tensorflow", "dp-accounting", "numpy")
    run = {
        "settings": dataclasses.asdict(settings),
        "updates": gan.num_discriminator_updates,
        "seconds": round(seconds, 1),
        "history": history,
        "privacy": statement.to_dict(),
        "versions": {
            "python": platform.python_version(),
            "keras_dpgan": dpgan.__version__,
            **{name: importlib.metadata.version(name) for name in packages},
        },
    }
    (output_dir / "run.json").write_text(json.dumps(run, indent=2) + "\n")
    (output_dir / "privacy.txt").write_text(f"{statement}\n")
