"""torchvision beside a torch that it was not built for."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("torch")


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_the_stack_imports_in_a_fresh_process():
    done = _python(
        "from train.stack import lightning, smp, timm, torchvision\n"
        "import torchvision.transforms.functional, torchmetrics\n"
        "print(smp.Unet.__name__)"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "Unet"


def test_a_missing_operator_is_defined_and_the_import_repeated(tmp_path):
    """A stand-in for torchvision that fails just as the real one does, whatever build is installed here."""
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text("from torchvision import half\nfrom torchvision import registrations\n")
    (package / "half.py").write_text("")
    (package / "registrations.py").write_text(
        "import torch\n@torch.library.register_fake('torchvision::nms')\n"
        "def fake(dets, scores, iou_threshold):\n    return dets\n"
    )
    done = _python(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import torch\n"
        "from curate.compat.torchvision_shim import import_torchvision\n"
        "assert import_torchvision() is sys.modules['torchvision']\n"
        "assert 'torchvision.registrations' in sys.modules\n"
        "try:\n    torch.ops.torchvision.nms(torch.ones(1, 4), torch.ones(1), 0.5)\n"
        "except NotImplementedError as error:\n    print('no kernel' if 'torchvision::nms' in str(error) else error)\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "no kernel"


def test_another_failure_is_passed_on(tmp_path):
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('something else')\n")
    done = _python(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from curate.compat.torchvision_shim import import_torchvision\n"
        "import_torchvision()"
    )
    assert "RuntimeError: something else" in done.stderr
