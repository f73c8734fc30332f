/**
 * Stryker on `src`, a group of files at a time with the tests that decide about them: `npm run mutation`, or only some groups
 * or files, `npm run mutation -- merging save`. The report of the last group is `reports/mutation/mutation.html`.
 */
import { spawnSync } from 'node:child_process'
import { findRedis } from '../../test/support/redis-server.ts'

type Group = { files: string[]; topologies: string; tests: string[] }

const ofBoth = [
  'functions',
  'store',
  'functions-and-store',
  'expiry',
  'corrupt-records',
  'races/*',
  'topologies/core',
]

/** Names of test files without `.test.ts`, with `*`; Stryker takes them in one list, separated by commas. */
const groups: Record<string, Group> = {
  merging: {
    files: ['merge', 'compare-and-set', 'update', 'loaded-sessions', 'access', 'find-owner', 'owner'],
    topologies: 'server',
    tests: ['merge', ...ofBoth, 'express-session', 'merge-edges', 'update-rules', 'policies/lifetime'],
  },
  records: {
    files: ['records-atomic', 'replies', 'settle-all', 'scripts', 'revoke', 'handle', 'splice-expires'],
    topologies: 'server',
    tests: [
      'merge',
      'scripts',
      'topologies/records',
      ...ofBoth,
      'express-session',
      'clients',
      'migration',
      'update-rules',
      'save-edges',
      'revocation-edges',
      'policies/limit',
      'policies/subscriber',
    ],
  },
  saving: {
    files: ['save', 'recent-touches', 'load'],
    topologies: 'server',
    tests: [
      'merge',
      ...ofBoth,
      'express-session',
      'store-options',
      'save-edges',
      'update-rules',
      'policies/touch-interval',
      'policies/lifetime',
      'policies/laundering',
      'policies/events',
      'policies/limit',
    ],
  },
  cluster: {
    files: ['records-cluster', 'list'],
    topologies: 'cluster',
    tests: [
      'topologies/records',
      'topologies/core',
      'topologies/cluster',
      'races/*',
      'update-rules',
      'store',
      'functions',
      'policies/lifetime',
    ],
  },
  time: {
    files: ['expiry', 'lifetime'],
    topologies: 'server',
    tests: [
      'expiry',
      'functions',
      'functions-and-store',
      'store',
      'arguments',
      'corrupt-records',
      'merge-edges',
      'policies/lifetime',
    ],
  },
  limit: {
    files: ['limit'],
    topologies: 'server',
    tests: ['policies/limit', 'policies/limit-order'],
  },
  store: {
    files: [
      'keys',
      'functions',
      'user-session-store',
      'enumerate',
      'reindex',
      'user-session',
      'callback',
      'codec',
    ],
    topologies: 'server',
    tests: [
      ...ofBoth,
      'express-session',
      'store-*',
      'migration',
      'isolation',
      'arguments',
      'policies/!(limit)',
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
  const stryker = 'node_modules/@stryker-mutator/core/bin/stryker.js'
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
