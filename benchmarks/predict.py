"""Run lengths of 29 bones against the usual loop, and what predicting a 2048 x 2048 film takes of memory.

    python -m benchmarks.predict [--run RUN]

Run lengths: the loop over full masks that everybody copies, and ``train.predict.rle`` on one label plane; processor
time of one thread. Memory: a fresh process a way, which predicts one film of 2048 x 2048 by a network of 29 classes
(UNet on EfficientNet-lite0 with random weights, or a finished run) whole at 512, and by windows of 512 at the film's
own size; peak resident memory beyond that before the film was read (Linux).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from train.predict.rle import decode, encode_plane

SIZE, BONES, ROUNDS = 2048, 29, 5


def film_plane() -> np.ndarray:
    """29 ellipses of the sizes of hand bones, some of them overlapping: uint32 (2048, 2048)."""
    rng = np.random.default_rng(0)
    plane = np.zeros((SIZE, SIZE), np.uint32)
    for k in range(BONES):
        mask = np.zeros((SIZE, SIZE), np.uint8)
        centre = tuple(int(v) for v in rng.integers(300, SIZE - 300, 2))
        axes = (int(rng.integers(25, 60)), int(rng.integers(40, 200)))
        cv2.ellipse(mask, centre, axes, int(rng.integers(0, 180)), 0, 360, 1, -1)
        plane |= mask.astype(np.uint32) << np.uint32(k)
    return plane


def usual_encode(masks: np.ndarray) -> list[str]:
    """The competition's own loop."""
    texts = []
    for mask in masks:
        pixels = np.concatenate([[0], mask.flatten(), [0]])
        runs = np.where(pixels[1:] != pixels[:-1])[0] + 1
        runs[1::2] -= runs[::2]
        texts.append(" ".join(str(x) for x in runs))
    return texts


def milliseconds(work) -> float:
    """Least processor time of some rounds."""
    work()
    spent = []
    for _ in range(ROUNDS):
        since = time.process_time()
        work()
        spent.append(time.process_time() - since)
    return min(spent) * 1e3


def memory(way: str, run: str) -> None:
    """In a process of its own: predict once, and print the peak beyond what was resident before."""
    import torch

    from train.config import load
    from train.models.zoo import build
    from train.predict.members import Member
    from train.predict.predictor import Predictor, find_members

    torch.set_num_threads(1)
    cpu = torch.device("cpu")
    if run:
        (member,) = find_members([Path(run)], cpu)
    else:
        names, config = tuple(f"c{k}" for k in range(BONES)), load("unet-lite0", ["weights=none"])
        network = build(config, BONES).eval()
        member = Member(Path(), network, 512, names, [0.5] * BONES, np.ones(BONES))
    options = {"whole": {}, "windows": {"size": SIZE, "window": 512, "overlap": 0.5}}[way]
    film = np.random.default_rng(0).integers(0, 255, (SIZE, SIZE), dtype=np.uint8)
    Predictor([member], cpu).plane(film[:64, :64])
    before, since = _status("VmRSS"), time.process_time()
    Path("/proc/self/clear_refs").write_text("5")  # Linux forgets the peak
    plane = Predictor([member], cpu, **options).plane(film)
    print(f"{way}: {before:.0f} MiB before the film, at most {_status('VmHWM') - before:.0f} MiB more, "
          f"{time.process_time() - since:.0f} s of one processor; plane {plane.shape} {plane.dtype}")  # fmt: skip


def _status(key: str) -> float:
    """A line of what Linux knows of this process, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) / 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", default="")
    parser.add_argument("--way", default="", help="measure memory this way only: whole, windows")
    given = parser.parse_args()
    if given.way:
        memory(given.way, given.run)
        return
    plane = film_plane()
    masks = np.stack([(plane >> np.uint32(k)) & np.uint32(1) for k in range(BONES)]).astype(np.uint8)
    texts = encode_plane(plane, BONES)
    assert texts == usual_encode(masks)
    assert all((decode(text, SIZE, SIZE) == (mask == 1)).all() for text, mask in zip(texts, masks, strict=True))
    usual, ours = milliseconds(lambda: usual_encode(masks)), milliseconds(lambda: encode_plane(plane, BONES))
    print(f"run lengths of {BONES} bones: usual loop {usual:.0f} ms, ours {ours:.1f} ms, {usual / ours:.0f} times")
    every = 4 * BONES * SIZE * SIZE / 2**20
    print(f"{BONES} planes of floats at {SIZE} x {SIZE} would be {every:.0f} MiB")
    for way in ("whole", "windows"):
        subprocess.run([sys.executable, "-m", "benchmarks.predict", "--way", way, "--run", given.run], check=True)


if __name__ == "__main__":
    main()
