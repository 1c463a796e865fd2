"""What finished runs say of pictures: label planes, files, labels by machine."""
