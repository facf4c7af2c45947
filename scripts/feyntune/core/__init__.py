"""What every other package uses: files, errors, locks, fingerprints, command lines. It imports nothing of ours."""
