"""Every parser of strangers' files under mutated files: what comes back is a reading or one of our errors, and soon."""
