/**
 * Runs Stryker on `src`, one group of files at a time, with the tests that matter for them: `npm run mutation`. To run
 * some groups or files only: `npm run mutation -- merging save`. The report of the last group is
 * `reports/mutation/mutation.html`.
 */
import { spawnSync } from 'node:child_process'
import { findRedis } from '../../test/support/redis-server.ts'

type Group = { files: string[]; topologies: string; tests: string[] }

/** Each mutant only runs those that reach it. Those of topologies are left out if one server is enough. */
const wide = [
  'api/*',
  'requests/*',
  'guarantees/*',
  'guarantees/races/*',
  'session/*',
  'users/*',
  'redis/!(acl)',
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
    tests: wide,
  },
  records: {
    files: ['records-atomic', 'one-key', 'replies', 'settle-all', 'ahead', 'revoke', 'handle'],
    topologies: 'server',
    tests: [...wide, 'topologies/records', 'topologies/core'],
  },
  saving: {
    files: ['save', 'touch', 'turns', 'destroyed', 'recent-touches', 'recent', 'load'],
    topologies: 'server',
    tests: wide,
  },
  cluster: {
    files: ['records-cluster', 'list'],
    topologies: 'cluster',
    tests: [
      'topologies/records',
      'topologies/core',
      'topologies/cluster',
      'topologies/cluster-steps',
      'topologies/crash',
      'guarantees/isolation',
      'api/functions-and-store',
      'api/migration',
      'users/limit',
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
    tests: wide,
  },
  limit: {
    files: ['limit'],
    topologies: 'server',
    tests: ['users/limit', 'users/limit-order', 'users/reject', 'guarantees/races/*'],
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
    tests: [...wide, 'docs/open-connections', 'example/live'],
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
