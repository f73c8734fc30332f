// The command line through npx, with the package redis and without express-session.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createSession } from 'redis-user-sessions/functions'
import { connect } from './shared/node-redis.mjs'

const prefix = 'command-line:'
const secrets = []

function run(...args) {
  const { status, stdout, stderr } = spawnSync('npx', ['redis-user-sessions', ...args, '--prefix', prefix], {
    encoding: 'utf8',
  })
  for (const secret of secrets) assert(!(stdout + stderr).includes(secret), 'no output has a session id')
  return { status, stdout, stderr }
}

assert(!existsSync('node_modules/express-session'))
const { version } = createRequire(import.meta.url)('redis-user-sessions/package.json')
assert.equal(run('--version').stdout, `${version}\n`)
assert.match(run('--help').stdout, /^Usage: /)
assert.equal(run('lst', 'eva').status, 2)

const client = await connect()
const expires = new Date(Date.now() + 60_000).toISOString()
const create = (userId) => createSession({ client, prefix, data: { userId, expires } })
secrets.push(await create('eva'), await create('eva'), await create('google:1'))
assert.equal(run('count').stdout, '3\n')
const listed = JSON.parse(run('list', 'eva', '--json').stdout)
assert.equal(listed.length, 2)
assert.equal(run('sign-out', 'eva', listed[0].handle).status, 0)
assert.equal(run('sign-out', 'eva').stdout, 'signed out 1 session of eva\n')
assert.equal(run('list', 'eva').status, 1)
assert.equal(run('sign-out', 'google:1').stdout, 'signed out 1 session of google:1\n')
assert.equal(run('check').status, 0)
await client.close()
