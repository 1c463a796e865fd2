"""Do carpal crops or finger crops help? The small study that runs on one core.

    python -m benchmarks.crops_study FOLDER [--patients 24 --pixels 384 --size 256 --steps 300 --seeds 3 --page PAGE]
    python -m benchmarks.crops_study FOLDER --patients 200 --pixels 1024 --size 512 --steps 4000 --config unet-resnet50

The second is the study for a machine with a GPU.

A phantom of so many patients becomes v1; ``carpal`` is v1 and a crop of the carpal bones for each training film,
``fingertips`` the same round the fingertips. The same recipe is trained on all three, every seed, and scored on the
same films; ``train diff`` compares. Every step is a command that does nothing when it was done before, so that an
interrupted study goes on where it was. At the end the page and its picture are written.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.crops_page import write_page

ARMS = ("carpal", "fingertips")
RECIPE = """\
architecture: fpn
encoder: tf_efficientnet_lite0
model: {{decoder_pyramid_channels: 96, decoder_segmentation_channels: 64}}
size: {size}
steps: {steps}
batch: 4
lr: 0.003
schedule: poly
augment: light
channels_last: true
workers: 0
predictions: 128
"""


def command(*words: object) -> str:
    """Run one of the package's commands, shown before it is run; returns its standard output."""
    words = [str(word) for word in words]
    print(f"$ {' '.join(words)}", flush=True)
    program = Path(sys.executable).parent / words[0]
    done = subprocess.run([program, *words[1:]], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout


def make_versions(root: Path, patients: int, pixels: int) -> None:
    """The phantom, v1, and the two versions with crops, those that are not there yet."""
    if not (root / "truth.csv").is_file():
        command("curate", "demo", root, "--n", 2 * patients, "--size", pixels)
    if not (root / "data_manifest.yaml").is_file():
        command("curate", "init", root)
    shown = json.loads(command("curate", "show", "v1", "--data", root, "--json"))["samples"]
    n = sum(row["split"] == "train" for row in shown)
    for name in ARMS:
        made = ("--from", "v1", "--name", name, "--n", n, "--size", pixels, "--virtual")
        command("augment", "crop", "--region", name, *made, "--data", root)


def main() -> None:
    """Run what has not been run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patients", type=int, default=24)
    parser.add_argument("--pixels", type=int, default=384, help="edge of the films")
    parser.add_argument("--size", type=int, default=256, help="edge in training")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--config", help="a preset instead of the small recipe, such as unet-resnet50 on a GPU")
    parser.add_argument("--page", type=Path, help="write the page here; beside the films by default")
    given = parser.parse_args()
    root, since = given.folder, os.times()
    root.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    make_versions(root, given.patients, given.pixels)
    recipe = root / "recipe.yaml"
    text = f"preset: {given.config}\nsize: {{size}}\nsteps: {{steps}}\n" if given.config else RECIPE
    recipe.write_text(text.format(size=given.size, steps=given.steps))
    found = {}
    for name in ARMS:
        words = ("--config", recipe, "--seeds", given.seeds, "--data", root, "--json")
        found[name] = json.loads(command("train", "--manifest", name, "--against", "v1", *words))
        (root / f"{name}.json").write_text(json.dumps(found[name], indent=1))
    spent = os.times()
    core_minutes = (spent.children_user + spent.children_system - since.children_user - since.children_system) / 60
    print(f"{(time.monotonic() - began) / 60:.1f} minutes, {core_minutes:.1f} of them of one core", flush=True)
    page = write_page(given.page or root / "crops-study.md", found, given)
    print(f"page: {page}")


if __name__ == "__main__":
    main()
