#!/bin/sh
# The first version of a store that publishes none: a sample shop, models fitted on it, their index. What an earlier
# run has finished is not made again.
#
#     first-version        in the trainer's container; SHOP_PRODUCTS says how many products
set -eu

mkdir -p /vitrine/shop  # whose photos the service shows; it must be there, whatever the store publishes
if [ -e /store/CURRENT ]; then
  echo "the store publishes a version already; nothing to make"
  exit 0
fi
cd /vitrine
test -e shop/catalog.parquet || python -m training sample-shop --out shop --products "${SHOP_PRODUCTS:-3000}" --seed 1
test -e data/dataset.json || python -m training prepare --shop shop --out data
test -e clip-towers/model.json || python -m training clip --data data --out clip-towers
test -e bibert/model.json || python -m training fit bibert --data data --out bibert
test -e 3tmm-history/model.json \
  || python -m training fit 3tmm-history --data data --out 3tmm-history --bibert bibert --clip clip-towers
python -m index_builder build --bundle 3tmm-history --catalog shop/catalog.parquet --store /store --explain --publish
