#!/bin/sh
# Copy the browser libraries that frontend/package-lock.json pins into static/vendor/, byte for byte, with their
# licences, and write static/vendor/SHA384SUMS. tests/test_vendor.py re-checks that list. Beside each file lies its form in
# Brotli, which takes seconds to make (liveplatform/compression.py serves it).
# Needs npm; only whoever changes a version runs this.
set -eu
cd "$(dirname "$0")/.."
(cd frontend && npm ci --silent --omit=dev --ignore-scripts)

version() { sed -n 's/^  "version": "\(.*\)",*$/\1/p' "frontend/node_modules/$1/package.json"; }

rm -rf static/vendor
hls="static/vendor/hls.js-$(version hls.js)"
mkdir -p "$hls"
cp frontend/node_modules/hls.js/dist/hls.light.min.mjs \
   frontend/node_modules/hls.js/dist/hls.worker.js \
   frontend/node_modules/hls.js/LICENSE "$hls/"
uplot="static/vendor/uplot-$(version uplot)"
mkdir -p "$uplot"
cp frontend/node_modules/uplot/dist/uPlot.esm.js \
   frontend/node_modules/uplot/dist/uPlot.min.css \
   frontend/node_modules/uplot/LICENSE "$uplot/"
emoji="static/vendor/emoji-picker-element-$(version emoji-picker-element)"
mkdir -p "$emoji"
cp frontend/node_modules/emoji-picker-element/database.js frontend/node_modules/emoji-picker-element/LICENSE "$emoji/"
emoji_data="static/vendor/emoji-picker-element-data-$(version emoji-picker-element-data)"
mkdir -p "$emoji_data"
cp frontend/node_modules/emoji-picker-element-data/LICENSE "$emoji_data/"
for language in en de es fr; do # Arabic has no data: it searches in English
  cp "frontend/node_modules/emoji-picker-element-data/$language/cldr/data.json" "$emoji_data/$language.json"
done

cd static/vendor
find . -name '*.*js' -o -name '*.css' -o -name '*.json' | node -e '
const { readFileSync, writeFileSync } = require("node:fs");
const { brotliCompressSync } = require("node:zlib");
for (const path of readFileSync(0, "utf8").trim().split("\n")) writeFileSync(`${path}.br`, brotliCompressSync(readFileSync(path)));
'
find . -type f ! -name SHA384SUMS | LC_ALL=C sort | sed 's|^\./||' | xargs sha384sum > SHA384SUMS
cat SHA384SUMS
