#!/bin/bash
# Install SLURM and MUNGE from Debian's packages where they are missing; fail where that cannot be.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
if command -v slurmctld slurmd munged sbatch > /dev/null; then exit 0; fi
as_root=()
if [ "$(id -u)" != 0 ]; then as_root=(sudo -n); fi
if ! command -v apt-get > /dev/null; then
    echo "no SLURM here, and no apt-get to install it: install slurmctld, slurmd, the client programs and munge" >&2
    exit 1
fi
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -qq -y --no-install-recommends slurm-wlm munge > /dev/null
for program in slurmctld slurmd munged sbatch; do
    command -v "$program" > /dev/null || { echo "still no $program after apt-get install slurm-wlm munge" >&2; exit 1; }
done
