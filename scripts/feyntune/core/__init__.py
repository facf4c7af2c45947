"""What all packages use: errors, files, locks, hashes, fingerprints, command lines. It imports nothing of ours."""
