"""What is promised when things break: kills, full disks, flipped bits, hostile files."""
