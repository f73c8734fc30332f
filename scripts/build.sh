#!/usr/bin/env bash
# Builds the package from src: as ES modules in dist/esm, and as CommonJS in dist/cjs.
set -euo pipefail
cd "$(dirname "$0")/.."

rm -rf dist
npx tsc -p tsconfig.build.json
npx tsc -p tsconfig.build-cjs.json
echo '{ "type": "commonjs" }' >dist/cjs/package.json
