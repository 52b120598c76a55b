#!/bin/sh
# Publishes a first version into a store that has none: generates a sample shop, fits models on it and builds their index.
# Steps that an earlier run has finished are skipped.
#
#     first-version        in the trainer's container; SHOP_PRODUCTS sets the number of products
set -eu

mkdir -p /vitrine/shop  # the service shows photos from here, so the folder must exist in any case
if [ -e /store/CURRENT ]; then
  echo "the store publishes a version already; nothing to do"
  exit 0
fi
cd /vitrine
test -e shop/catalog.parquet || python -m training sample-shop --out shop --products "${SHOP_PRODUCTS:-3000}" --seed 1
test -e data/dataset.json || python -m training prepare --shop shop --out data
test -e clip-towers/model.json || python -m training clip --data data --out clip-towers
test -e minilm/model.json || python -m training fit minilm --data data --out minilm
test -e 3tmm-prior/model.json \
  || python -m training fit 3tmm-prior --data data --out 3tmm-prior --bibert minilm --clip clip-towers
python -m index_builder build --bundle 3tmm-prior --catalog shop/catalog.parquet --store /store --explain --publish
