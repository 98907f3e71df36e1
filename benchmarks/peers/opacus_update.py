"""The same update by Opacus: `python opacus_update.py --help`."""

import pathlib
import sys

from absl import app
from absl import flags

sys.path.append(str(pathlib.Path(__file__).parent.parent))

ENGINE = flags.DEFINE_enum(
    "engine", "hooks", ["plain", "hooks", "functorch", "ghost"], "How it clips."
)
CRITIC = flags.DEFINE_enum("critic", "conv28", ["conv28", "conv32", "mlp"], "Network.")
LOSS = flags.DEFINE_enum("loss", "wasserstein", ["wasserstein", "non_saturating"], "")
BATCH = flags.DEFINE_integer("batch_size", 256, "Real rows; as many fake ones.")

SHAPES = {"conv28": (1, 28, 28), "conv32": (3, 32, 32), "mlp": (784,)}


def make_network(torch):
    nn = torch.nn
    if CRITIC.value == "mlp":
        return nn.Sequential(
            nn.Linear(784, 512),
            nn.LeakyReLU(0.2),
            nn.Linear(512, 512),
            nn.LeakyReLU(0.2),
            nn.Linear(512, 1),
        )
    channels, side = SHAPES[CRITIC.value][:2]
    return nn.Sequential(
        nn.Conv2d(channels, 64, 5, 2, 2),
        nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 5, 2, 2),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(128 * (side // 4) ** 2, 1),
    )


def make_update():
    """Real and fake rows are clipped one by one: Opacus has no records of two."""
    import torch

    torch.manual_seed(0)
    network = make_network(torch)
    real, fake = torch.rand(2, BATCH.value, *SHAPES[CRITIC.value]) * 2 - 1
    rows = torch.cat([real, fake])
    signs = torch.cat([-torch.ones(BATCH.value), torch.ones(BATCH.value)])

    def losses(scores, targets):
        if LOSS.value == "wasserstein":
            return scores[:, 0] * targets
        return torch.nn.functional.softplus(scores[:, 0] * targets)

    if ENGINE.value == "plain":
        optimizer = torch.optim.Adam(network.parameters(), 5e-4, betas=(0.5, 0.999))

        def update():
            optimizer.zero_grad()
            losses(network(rows), signs).mean().backward()
            optimizer.step()

        return update
    return _private_update(torch, network, rows, signs, losses)


def _private_update(torch, network, rows, signs, losses):
    import opacus

    class Criterion(torch.nn.Module):
        def __init__(self, reduction="mean"):
            super().__init__()
            self.reduction = reduction

        def forward(self, scores, targets):
            values = losses(scores, targets)
            return values.mean() if self.reduction == "mean" else values

    optimizer = torch.optim.Adam(network.parameters(), 5e-4, betas=(0.5, 0.999))
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(rows, signs), batch_size=len(rows)
    )
    made = opacus.PrivacyEngine().make_private(
        module=network,
        optimizer=optimizer,
        criterion=Criterion(),
        data_loader=loader,
        noise_multiplier=0.6,
        max_grad_norm=1.0,
        poisson_sampling=False,
        grad_sample_mode=ENGINE.value,
    )
    network, optimizer = made[0], made[1]
    criterion = made[2] if ENGINE.value == "ghost" else Criterion()

    def update():
        optimizer.zero_grad()
        criterion(network(rows), signs).backward()
        optimizer.step()

    return update


def main(_):
    import worker

    worker.serve(worker.repeated(make_update()))


if __name__ == "__main__":
    app.run(main)
