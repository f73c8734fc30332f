#!/usr/bin/env bash
# Packs the package, installs it into an empty project beside its peers, and loads it by import and by require on every Node
# version that package.json promises.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
project=$(mktemp -d)
trap 'rm -rf "$project"' EXIT

rm -rf dist
npm run --silent build
npx publint --strict
npx attw --pack . --profile esm-only

tarball=$(npm pack --silent --pack-destination "$project")
unexpected=$(tar -tzf "$project/$tarball" | grep -Ev '^package/(dist/([a-z-]+/)*[a-z-]+\.(js|d\.ts)|package\.json|README\.md|LICENSE)$' || true)
[ -z "$unexpected" ] || { echo "the tarball has files that nobody needs: $unexpected" >&2; exit 1; }

cd "$project"
node -e '
  const dependencies = require(process.argv[1]).dependencies ?? {}
  if (Object.keys(dependencies).length > 0) throw new Error("the package has runtime dependencies")
' "$root/package.json"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund "./$tarball" express-session redis
cat >load.mjs <<'END'
import { createSession, UserSessionStore } from 'redis-user-sessions'
if (typeof UserSessionStore !== 'function' || typeof createSession !== 'function') throw new Error('import')
END
cat >load.cjs <<'END'
const { createSession, UserSessionStore } = require('redis-user-sessions')
if (typeof UserSessionStore !== 'function' || typeof createSession !== 'function') throw new Error('require')
END
for version in 20.19.0 22.12.0 24; do
  for file in load.mjs load.cjs; do
    npx -y "node@$version" "$file" || { echo "$file fails on Node $version" >&2; exit 1; }
  done
  echo "import and require work on Node $version"
done
