"""The one typed configuration of a training run: presets, a file, ``key=value`` from the command line."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from curate.errors import UsageError

ARCHITECTURES = (
    "unet", "unet++", "manet", "linknet", "fpn", "pspnet", "pan", "deeplabv3", "deeplabv3+", "upernet", "segformer",
    "dpt", "fcn", "mask2former",
)  # fmt: skip
LOSSES = ("bce", "dice", "bce+dice", "focal", "focal+dice", "tversky", "bce+tversky", "set")
OPTIMISERS = ("adamw", "adam", "radam", "sgd")
SCHEDULES = ("constant", "poly", "cosine", "cosine-restarts", "step", "plateau")
PRECISIONS = ("fp32", "bf16", "fp16")
LOGGERS = ("tensorboard", "wandb")
PRESETS = Path(__file__).with_name("presets")


def _f(default: Any, text: str, *, choices: tuple[str, ...] = (), low: float | None = None, tuning: bool = True) -> Any:
    """A field: its default, what it means, what it may be, and whether it can change a result."""
    return field(default=default, metadata={"text": text, "choices": choices, "low": low, "tuning": tuning})


def _about(text: str, choices: tuple[str, ...] = (), tuning: bool = True) -> dict[str, Any]:
    """The same for a field that holds several values."""
    return {"text": text, "choices": choices, "low": None, "tuning": tuning}


@dataclass(frozen=True)
class Config:
    """What a run does, but for its version, fold and seed. ``train config`` prints it with its explanations."""

    architecture: str = _f("unet", "the network", choices=ARCHITECTURES)
    encoder: str = _f("tf_efficientnet_lite0", "its encoder, by its name in smp or timm")
    weights: str = _f("auto", "encoder weights: auto, imagenet, none, or a file of tensors")
    model: dict = field(default_factory=dict, metadata=_about("further arguments of the network, by smp's names"))
    size: int = _f(512, "pixels: the longer side of a film in training; the shorter is padded", low=32)
    patch: int = _f(0, "pixels: side of patches cut from films at their own size; 0: whole films at `size`", low=0)
    patch_foreground: float = _f(0.67, "share of patches centred on a bone, drawn by class_weights", low=0)
    steps: int = _f(2000, "optimiser steps: the same for every arm of a comparison", low=1)
    batch: int = _f(8, "samples a step and device", low=1)
    accumulate: int = _f(1, "batches a step", low=1)
    loss: str = _f("bce+dice", "the loss; set: mask2former's own, and only that", choices=LOSSES)
    loss_weights: list = field(default_factory=list, metadata=_about("of the loss's terms; empty: all 1"))
    class_weights: dict = field(default_factory=dict, metadata=_about("class -> weight; 1 where left out"))
    focal_gamma: float = _f(2.0, "focusing exponent of the focal loss", low=0)
    tversky_alpha: float = _f(0.3, "weight of false positives in Tversky's index", low=0)
    tversky_beta: float = _f(0.7, "weight of false negatives in Tversky's index", low=0)
    optimiser: str = _f("adamw", "the optimiser", choices=OPTIMISERS)
    lr: float = _f(1e-3, "peak learning rate", low=0)
    encoder_lr: float = _f(1.0, "factor on the encoder's learning rate", low=0)
    weight_decay: float = _f(1e-2, "weight decay", low=0)
    momentum: float = _f(0.9, "momentum of SGD", low=0)
    clip: float = _f(1.0, "largest gradient norm; 0: no limit", low=0)
    schedule: str = _f("poly", "of the learning rate", choices=SCHEDULES)
    warmup: int = _f(0, "steps of linear warm-up", low=0)
    schedule_power: float = _f(0.9, "exponent of poly", low=0)
    schedule_every: int = _f(0, "steps between drops or to the first restart, looks for plateau; 0: a third; 2", low=0)
    schedule_factor: float = _f(0.1, "factor of each drop (step, plateau)", low=0)
    precision: str = _f("fp32", "of the arithmetic", choices=PRECISIONS)
    channels_last: bool = _f(False, "memory layout with the channels last (faster on most GPUs)")
    compile: bool = _f(False, "torch.compile the network")
    deterministic: bool = _f(False, "only deterministic kernels on the GPU (slower)")
    ema: float = _f(0.0, "decay of the exponential moving average that is scored; 0: the last weights", low=0)
    evaluate_every: int = _f(0, "steps between looks at the inner split; 0: never looked at", low=0)
    inner: float = _f(0.0, "share of the training groups held out for early stop and plateau", low=0)
    patience: int = _f(0, "looks without improvement before stopping; 0: never", low=0)
    augment: str | list = field(default="none", metadata=_about("online: a preset, or [{NAME: {arguments}}]"))
    threshold: float = _f(0.5, "probability from which a pixel belongs to a bone", low=0)
    predictions: int = _f(512, "pixels: the longer side of stored predictions; 0: native", low=0, tuning=False)
    loggers: list = field(default_factory=lambda: ["tensorboard"], metadata=_about("besides CSV", LOGGERS, False))
    workers: int = _f(-1, "loader processes; -1: by the machine", low=-1, tuning=False)
    devices: int = _f(1, "GPUs, or processes on the CPU", low=1)
    nodes: int = _f(1, "machines", low=1)
    cache_gb: float = _f(20.0, "most the decoded films may take on disk", low=0, tuning=False)
    checkpoint_every: int = _f(200, "steps between checkpoints to resume from", low=1, tuning=False)

    def __post_init__(self):
        for entry in dataclasses.fields(self):
            _check(entry, getattr(self, entry.name))
        if self.patience and not (self.inner and self.evaluate_every):
            raise UsageError("patience", "early stop needs an inner split: set inner (0.15, say) and evaluate_every")
        if self.schedule == "plateau" and not (self.inner and self.evaluate_every):
            raise UsageError("schedule", "plateau needs an inner split: set inner (0.15, say) and evaluate_every")
        if 0 < self.patch < 32:
            raise UsageError("patch", f"{self.patch} is not at least 32 pixels, nor 0 for whole films")
        if self.patch_foreground > 1:
            raise UsageError("patch_foreground", f"{self.patch_foreground} is no share from 0 to 1")
        if self.inner >= 0.9:
            raise UsageError("inner", f"{self.inner} leaves too little to train on; it is a share, below 0.9")
        if not 0 < self.threshold < 1:
            raise UsageError("threshold", f"{self.threshold} is no probability between 0 and 1")
        if not self.ema < 1:
            raise UsageError("ema", f"{self.ema} is no decay below 1")
        if (self.loss == "set") != (self.architecture == "mask2former"):
            raise UsageError("loss", "set is the loss of mask2former, and mask2former takes no other")
        terms = len(self.loss.split("+"))
        if self.loss_weights and len(self.loss_weights) != terms:
            raise UsageError("loss_weights", f"{len(self.loss_weights)} weights for the {terms} terms of {self.loss}")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, in the order of the fields."""
        return dataclasses.asdict(self)

    def to_yaml(self, explain: bool = False) -> str:
        """The configuration as a file that ``--config`` reads; with ``explain``, each line says what it means."""
        lines = []
        for entry in dataclasses.fields(self):
            line = yaml.safe_dump({entry.name: getattr(self, entry.name)}, default_flow_style=True, width=1000)
            line = line.strip()[1:-1]
            choices = f" ({', '.join(entry.metadata['choices'])})" if entry.metadata["choices"] else ""
            lines.append(f"{line:<33} # {entry.metadata['text']}{choices}" if explain else line)
        return "\n".join(lines) + "\n"

    def digest(self, *more: str) -> str:
        """Eight hex digits over everything that can change a result, and ``more``."""
        plain = {e.name: getattr(self, e.name) for e in dataclasses.fields(self) if e.metadata["tuning"]}
        text = json.dumps([plain, *more], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:8]


def _check(entry: dataclasses.Field, value: Any) -> None:
    kinds = {"str": str, "int": int, "float": (int, float), "bool": bool, "list": list, "dict": dict}
    kind = kinds.get(str(entry.type))
    wrong_bool = isinstance(value, bool) and entry.type != "bool"
    if kind is not None and (not isinstance(value, kind) or wrong_bool):
        raise UsageError(entry.name, f"{value!r} is no {entry.type}")
    choices, low = entry.metadata["choices"], entry.metadata["low"]
    for one in value if isinstance(value, list) else [value]:
        if choices and one not in choices:
            raise UsageError(entry.name, f"{one!r} is none of: {', '.join(choices)}")
    if low is not None and not value >= low:  # also refuses NaN
        raise UsageError(entry.name, f"{value!r} is not at least {low}")


def from_dict(plain: Mapping[str, Any], where: str = "configuration") -> Config:
    """A configuration from plain data.

    Args:
        plain: option -> value; options left out keep their defaults.
        where: what to call the source in an error.

    Raises:
        UsageError: an unknown option (the nearest ones are named), a value of the wrong type or out of range.
    """
    known = {entry.name: str(entry.type) for entry in dataclasses.fields(Config)}
    for name in plain:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=3) or sorted(known)
            raise UsageError(where, f"no option is called {name!r}; there are: {', '.join(near)}")
    return Config(**{name: _number(value) if known[name] == "float" else value for name, value in plain.items()})


def _number(value: Any) -> Any:
    """YAML 1.1 reads 1e-3 as text and 1 as an int; both are meant as floats where a float is due."""
    try:
        return float(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else value
    except ValueError:
        return value


def preset_names() -> tuple[str, ...]:
    """The names of the presets that come with the package."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.yaml")))


def _read(path: Path) -> dict[str, Any]:
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(path, f"cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(plain, dict):
        raise UsageError(path, "is no list of `option: value` lines")
    return plain


def read_file(source: str | Path) -> dict[str, Any]:
    """The lines of a preset or a YAML file, not yet checked.

    Raises:
        UsageError: there is no such preset or file, or it is no YAML.
    """
    if str(source) in preset_names():
        return _read(PRESETS / f"{source}.yaml")
    if Path(source).is_file():
        return _read(Path(source))
    raise UsageError(str(source), f"is neither a file nor a preset; the presets: {', '.join(preset_names())}")


def load(source: str | Path | None = None, settings: Iterable[str] = ()) -> Config:
    """The effective configuration.

    Args:
        source: name of a preset or a YAML file, which may begin from a preset with the line ``preset: NAME``.
        settings: ``key=value`` strings that come after it; values are read as YAML.

    Raises:
        UsageError: no such preset or file, an unknown option, a bad value.
    """
    plain = {} if source is None else read_file(source)
    plain.pop("tune", None)  # what `train tune` may change; nothing to a single run
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(setting, "is not of the form key=value")
        try:
            plain[name.strip()] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UsageError(setting, f"the value is no YAML: {' '.join(str(error).split())}") from error
    base = plain.pop("preset", None)
    if base is not None:
        if base not in preset_names():
            raise UsageError("preset", f"{base!r} is none of: {', '.join(preset_names())}")
        plain = {**_read(PRESETS / f"{base}.yaml"), **plain}
    return from_dict(plain, where=str(source or "--set"))
