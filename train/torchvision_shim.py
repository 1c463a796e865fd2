"""The repair of torchvision's import, under the name that this package knows it by."""

from curate.compat.torchvision_shim import import_torchvision

__all__ = ["import_torchvision"]
