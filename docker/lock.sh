#!/usr/bin/env bash
# Resolves the versions that the images install, with the hash of every file, into docker/locks/IMAGE-FAISS.txt.
# The smaller images take the versions that the trainer's lock has, since the larger images are built on them.
#
#     docker/lock.sh            # for the FAISS of CPUs and the one of GPUs
#     docker/lock.sh gpu-cuvs   # for another extra
set -euo pipefail
cd "$(dirname "$0")/.."

lock() { # NAME [OPTION...]: lock the requirements that the options name
  uv pip compile --quiet --upgrade --generate-hashes --no-annotate --no-header \
    --python-version 3.11 --python-platform x86_64-manylinux_2_28 --output-file "docker/locks/$1.txt" "${@:2}"
  echo "docker/locks/$1.txt"
}

for faiss in ${@:-cpu gpu}; do
  lock "trainer-$faiss" --extra "$faiss" --extra build --extra feeds --extra train pyproject.toml
  lock "builder-$faiss" --extra "$faiss" --extra build --constraints "docker/locks/trainer-$faiss.txt" pyproject.toml
  lock "service-$faiss" --extra "$faiss" --constraints "docker/locks/trainer-$faiss.txt" pyproject.toml
done
lock load --extra cpu --extra load --constraints docker/locks/service-cpu.txt pyproject.toml
lock wheel - <<< "setuptools>=77"
