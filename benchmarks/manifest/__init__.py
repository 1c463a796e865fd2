"""How the manifest's tables behave at a thousand, and at a million, samples."""
