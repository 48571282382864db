#!/usr/bin/env bash
# Look at every node of a job before the training starts there. In the job's script, before the training itself:
#
#   srun --ntasks-per-node=1 bash .sftdoctor/slurm.sh || exit 1
#   srun python train.py
#
# srun fails if one node fails, and each line says which node it comes from. Not for Prolog= of slurm.conf: a prolog
# that fails drains the node, and a script that breaks is no fault of the node's.
#
# SFTDOCTOR_PYTHON: the Python that trains (default: python3). SFTDOCTOR: the sftdoctor to use (default: on PATH).
set -euo pipefail
python=${SFTDOCTOR_PYTHON:-python3}
node=${SLURMD_NODENAME:-$(uname -n)}
status=0
report=$("${SFTDOCTOR:-sftdoctor}" check --python "$(command -v "$python")" @ARGUMENTS@ 2>&1) || status=$?
while IFS= read -r line; do
  printf '%s: %s\n' "$node" "$line"
done <<< "$report"
exit "$status"
