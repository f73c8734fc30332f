/**
 * Runs Stryker on `src`, one group of files at a time, with the tests that matter for them: `npm run mutation`. To run
 * some groups or files only: `npm run mutation -- merging save`. The report of the last group is
 * `reports/mutation/mutation.html`.
 */
import { spawnSync } from 'node:child_process'
import { findRedis } from '../../test/support/redis-server.ts'

type Group = { files: string[]; topologies: string; tests: string[] }

const ofBoth = [
  'api/functions',
  'api/store',
  'api/functions-and-store',
  'guarantees/expiry',
  'guarantees/corrupt-records',
  'guarantees/races/*',
  'topologies/core',
]

/** Names of test files without `.test.ts`, with `*`. Stryker accepts them as one list, separated by commas. */
const groups: Record<string, Group> = {
  merging: {
    files: [
      'merge',
      'compare-and-set',
      'update',
      'versions',
      'draft',
      'stored-session',
      'owner',
      'index-note',
      'cookie',
    ],
    topologies: 'server',
    tests: [
      'requests/merge',
      ...ofBoth,
      'requests/express-session',
      'requests/merge-edges',
      'users/update-rules',
      'session/lifetime',
    ],
  },
  records: {
    files: ['records-atomic', 'one-key', 'replies', 'settle-all', 'ahead', 'revoke', 'handle'],
    topologies: 'server',
    tests: [
      'requests/merge',
      'redis/scripts',
      'topologies/records',
      ...ofBoth,
      'requests/express-session',
      'redis/clients',
      'api/migration',
      'users/update-rules',
      'requests/save-edges',
      'users/revocation-edges',
      'users/limit',
      'users/subscriber',
    ],
  },
  saving: {
    files: ['save', 'touch', 'turns', 'recent-touches', 'load'],
    topologies: 'server',
    tests: [
      'requests/merge',
      ...ofBoth,
      'requests/express-session',
      'api/store-options',
      'requests/save-edges',
      'users/update-rules',
      'requests/touch-interval',
      'requests/lower-ttl',
      'requests/sign-out',
      'requests/unheld',
      'redis/commands',
      'redis/turns',
      'session/user-ids',
      'session/overlaps',
      'session/lifetime',
      'guarantees/laundering',
      'users/events',
      'users/limit',
    ],
  },
  cluster: {
    files: ['records-cluster', 'list'],
    topologies: 'cluster',
    tests: [
      'topologies/records',
      'topologies/core',
      'topologies/cluster',
      'guarantees/races/*',
      'users/update-rules',
      'api/store',
      'api/functions',
      'session/lifetime',
    ],
  },
  time: {
    files: ['expiry', 'lifetime'],
    topologies: 'server',
    tests: [
      'guarantees/expiry',
      'api/functions',
      'api/functions-and-store',
      'api/store',
      'api/arguments',
      'guarantees/corrupt-records',
      'requests/merge-edges',
      'session/lifetime',
      'session/listed-until',
      'session/timestamps',
      'requests/touch-interval',
      'requests/lower-ttl',
      'guarantees/races/*',
      'users/without-ttl',
      'users/update-rules',
    ],
  },
  limit: {
    files: ['limit'],
    topologies: 'server',
    tests: ['users/limit', 'users/limit-order'],
  },
  store: {
    files: [
      'keys',
      'functions',
      'user-session-store',
      'all-sessions',
      'reindex',
      'user-session',
      'callback',
      'codec',
    ],
    topologies: 'server',
    tests: [
      ...ofBoth,
      'requests/express-session',
      'api/store-*',
      'api/migration',
      'guarantees/isolation',
      'api/arguments',
      'users/!(limit|update-rules|revocation-edges)',
      'guarantees/laundering',
      'requests/streams',
      'requests/touch-interval',
      'session/lifetime',
      'redis/commands',
      'docs/open-connections',
      'example/live',
    ],
  },
}

const redis = await findRedis()
for (const name of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(groups)) run(groupOf(name))
await redis.stop()

function groupOf(name: string): Group {
  if (groups[name]) return groups[name]
  const group = Object.values(groups).find(({ files }) => files.includes(name))
  if (!group) throw new Error(`There is no group and no file ${name}; groups are ${Object.keys(groups)}`)
  return { ...group, files: [name] }
}

function run(group: Group): void {
  const stryker = 'tools/node_modules/@stryker-mutator/core/bin/stryker.js'
  const mutate = group.files.map((file) => `src/**/${file}.ts`).join(',')
  const testFiles = group.tests.map((test) => `test/${test}.test.ts`).join(',')
  const { status } = spawnSync(
    process.execPath,
    [stryker, 'run', '--mutate', mutate, '--testFiles', testFiles],
    {
      env: {
        ...process.env,
        NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --require ./scripts/mutation/mocha-12.cjs`,
        REDIS_URL: redis.url,
        TEST_TOPOLOGIES: group.topologies,
        TEST_TOPOLOGIES_STAY: '1',
      },
      stdio: 'inherit',
    },
  )
  if (status) process.exitCode = status
}
