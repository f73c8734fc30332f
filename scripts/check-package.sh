#!/usr/bin/env bash
# Packs the package and uses it as strangers do: in an empty project beside its peers, by import and by require, on every Node
# version that package.json promises, with Jest, with Vitest, and with every TypeScript from 5.4.
#
# Needs the tools: npm ci --prefix tools
#
#   npm run check:package             all of it
#   npm run check:package -- quick    without the older Node and TypeScript versions
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
project=$(mktemp -d)
trap 'rm -rf "$project"' EXIT

nodes=(20.19.0 22.12.0 24)
typescripts=(5.4 5.9 6.0 7.0)
if [ "${1:-}" = quick ]; then nodes=(24) typescripts=(7.0); fi

main() {
  npm run --silent build
  tools/node_modules/.bin/publint --strict
  # Nothing that is older than the package's Node resolves modules as node10 does.
  tools/node_modules/.bin/attw --pack . --profile node16
  pack
  check_functions_alone
  check_loading
  check_types
  check_test_runners
}

pack() {
  tarball=$project/$(npm pack --silent --ignore-scripts --pack-destination "$project")
  local unexpected size
  unexpected=$(tar -tzf "$tarball" | grep -Ev '^package/(dist/(esm|cjs)/([a-z-]+/)*[a-z-]+\.(js|d\.ts)|dist/cjs/package\.json|package\.json|README\.md|LICENSE)$' || true)
  [ -z "$unexpected" ] || fail "the tarball has files that nobody needs: $unexpected"
  size=$(stat --format %s "$tarball")
  [ "$size" -lt 130000 ] || fail "the tarball has $size bytes, more than 130 kB"
  node -e '
    const dependencies = require(process.argv[1]).dependencies ?? {}
    if (Object.keys(dependencies).length > 0) throw new Error("the package has runtime dependencies")
  ' "$root/package.json"
}

# Before express-session is there.
check_functions_alone() {
  cd "$project"
  npm init -y >/dev/null
  install "$tarball" typescript@7.0 @types/node@20
  [ ! -d node_modules/express-session ] || fail 'the package brings express-session'
  node -e "require('redis-user-sessions/functions')"
  [ "$(npx redis-user-sessions --version)" = "$(node -p 'require("redis-user-sessions/package.json").version')" ]
  local said
  said=$(npx redis-user-sessions count 2>&1 || true)
  [[ $said == *'npm install redis'* ]] || fail "the command line does not say what it lacks: $said"
  compile functions "TypeScript, without express-session" --module node16
}

check_loading() {
  install express-session redis
  cp "$root"/scripts/check-package/load.* .
  for version in "${nodes[@]}"; do
    for file in load.mjs load.cjs; do
      npx -y "node@$version" "$file" || fail "$file fails on Node $version"
    done
    echo "import and require work on Node $version"
  done
}

check_types() {
  install @types/express-session @types/express fastify @fastify/cookie @fastify/session express-openid-connect
  for version in "${typescripts[@]}"; do
    install "typescript@~$version"
    for module in $(modules_of "$version"); do
      compile store "TypeScript $version, module $module" --module "$module"
      # The types of Fastify need skipLibCheck.
      compile adapters "TypeScript $version, module $module" --module "$module" --skipLibCheck
    done
  done
}

# TypeScript knows node18 since 5.8.
modules_of() {
  [ "$1" = 5.4 ] && echo node16 || echo node16 node18
}

# As an ES module and as CommonJS, as strict as the compiler can be. From the third on, arguments are more options.
compile() {
  cp "$root/scripts/check-package/$1.ts" "$1.mts"
  cp "$root/scripts/check-package/$1.ts" "$1.cts"
  npx tsc --noEmit --strict --exactOptionalPropertyTypes --noUncheckedIndexedAccess --esModuleInterop --target es2022 \
    --types node "$1.mts" "$1.cts" "${@:3}" || fail "the types of $1 fail: $2"
  echo "the types of $1 work: $2"
}

check_test_runners() {
  # npm 10, which Node 20 brings, cannot install Vite 8.
  npx -y npm@11 install --loglevel error --no-audit --no-fund jest@30 vitest@4
  cp "$root"/scripts/check-package/*.test.* .
  npx jest --testMatch '**/jest.test.cjs' || fail 'the package does not work with Jest'
  npx vitest run vitest.test.mjs || fail 'the package does not work with Vitest'
}

install() {
  npm install --loglevel error --no-audit --no-fund "$@"
}

fail() {
  echo "$1" >&2
  exit 1
}

main
