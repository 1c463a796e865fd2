"""What a network is shown: films and patches from disk, label planes, online augmentation."""
