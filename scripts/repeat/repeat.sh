#!/usr/bin/env bash
# Runs the README's test command again and again, and says how often it passed. A test that depends on how fast the machine is
# fails sooner or later.
#
#   scripts/repeat/repeat.sh 20                        20 times
#   scripts/repeat/repeat.sh 20 --busy 4               while 4 other processes keep the processors busy
#   scripts/repeat/repeat.sh 20 --clock 40             as on a fast machine: its clock moves every 40 ms only
#   scripts/repeat/repeat.sh 1 --slow                  as on a slow machine: each look at its clock is in another ms
#   scripts/repeat/repeat.sh 20 --clock 40 test/users  only these tests
#
# What the failed runs said is in the folder that the last line names.
set -euo pipefail
cd "$(dirname "$0")/../.."

times=${1:?How many times?}
shift
busy=0
while [ $# -gt 0 ]; do
  case $1 in
    --busy) busy=$2; shift 2 ;;
    --clock)
      export COARSE_CLOCK_MS=$2
      NODE_OPTIONS="${NODE_OPTIONS:-} --import $PWD/scripts/repeat/coarse-clock.js"
      export NODE_OPTIONS
      shift 2
      ;;
    --slow)
      NODE_OPTIONS="${NODE_OPTIONS:-} --import $PWD/scripts/repeat/slow-clock.js"
      export NODE_OPTIONS
      shift
      ;;
    *) break ;;
  esac
done

load=()
trap '[ ${#load[@]} -eq 0 ] || kill "${load[@]}"' EXIT
for ((n = 0; n < busy; n++)); do
  nice yes >/dev/null &
  load+=($!)
done

logs=$(mktemp -d)
passed=0
for ((n = 1; n <= times; n++)); do
  if npm test --silent -- --reporter dot "$@" >"$logs/$n" 2>&1 </dev/null; then
    passed=$((passed + 1))
    rm "$logs/$n"
  fi
  echo "$passed of $n passed"
done
if [ "$passed" -lt "$times" ]; then
  echo "What the others said: $logs"
  exit 1
fi
rmdir "$logs"
