"""A disk that is full in the middle of a run."""

import os
import shutil
import subprocess

import helpers
import keras
import pytest

from keras_dpgan import privacy
from keras_dpgan.callbacks import ResumableFit

BLOCK = 4
UPDATES = 30


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    if (
        shutil.which("mount") is None
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("this machine does not permit to mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


class FillDisk(keras.callbacks.Callback):
    """Leaves `free` bytes on the disk once there are so many updates."""

    def __init__(self, folder, free, after):
        super().__init__()
        self.filler = folder / "filler"
        self.free = free
        self.after = after

    def on_train_batch_end(self, batch, logs=None):
        if self.model.num_discriminator_updates != self.after:
            return
        with open(self.filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(512))
            except OSError:
                file.truncate(max(0, file.tell() - self.free))


def fit(gan, folder, *callbacks):
    with privacy.Ledger(folder / "ledger", "toys", BLOCK) as ledger:
        gan.fit(
            *helpers.make_data(),
            batch_size=12,
            epochs=3,
            verbose=0,
            ledger=ledger,
            callbacks=[*callbacks, ResumableFit(folder / "run")],
        )


# Nothing is left; a part of a checkpoint, all of one but no line of the ledger.
@pytest.mark.parametrize("free", [0, 16384, 49152])
@pytest.mark.parametrize("after", [1, 10])
def test_a_full_disk_stops_a_run_that_can_be_resumed(small_disk, free, after):
    fill = FillDisk(small_disk, free, after)
    gan = helpers.make_gan()
    with pytest.raises(OSError, match="ree some space"):
        fit(gan, small_disk, fill)
    made = gan.num_discriminator_updates
    assert 0 < made < UPDATES
    assert made <= privacy.Ledger.read(small_disk / "ledger").total_updates
    os.remove(fill.filler)
    resumed = helpers.make_gan()
    fit(resumed, small_disk)
    total = privacy.Ledger.read(small_disk / "ledger").total_updates
    assert resumed.num_discriminator_updates == UPDATES
    assert UPDATES <= resumed.privacy_history.total_updates == total
    assert total <= UPDATES + BLOCK
