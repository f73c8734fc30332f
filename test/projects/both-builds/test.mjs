// Both builds of the package in one process: a library requires it, and the app imports it.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { mock } from 'node:test'
import { Redis } from 'ioredis'
import * as imported from 'redis-user-sessions'
import * as importedFunctions from 'redis-user-sessions/functions'
import { connect } from './shared/node-redis.mjs'

const require = createRequire(import.meta.url)
const required = require('redis-user-sessions')
const requiredFunctions = require('redis-user-sessions/functions')
const builds = [imported, required]
const prefix = 'both-builds:'
const client = await connect()

const names = (build) => Object.keys(build).sort()
const exported = names(imported)
assert.deepEqual(
  names(required).filter((name) => exported.includes(name)),
  exported,
)
assert.deepEqual(
  Object.entries(importedFunctions).filter(([name, value]) => value !== builds[0][name]),
  [],
)
assert.deepEqual(
  names(importedFunctions).filter((name) => requiredFunctions[name] !== required[name]),
  [],
)
assert.notEqual(imported.SessionNotFoundError, required.SessionNotFoundError, 'there are two builds')

const errorOf = (work) => work.then(assert.fail, (error) => error)
for (const [mine, theirs] of [builds, builds.toReversed()]) {
  const missing = { client, prefix, sessionId: 'none', data: { cart: [] } }
  const error = await errorOf(mine.updateSession(missing))
  assert(error instanceof mine.SessionNotFoundError && error instanceof theirs.SessionNotFoundError)
  assert(!(error instanceof theirs.SessionUserError))

  // One build saves a session. The other one loads it, revokes it, and does not bring it back.
  const [store, other] = [mine, theirs].map((build) => new build.UserSessionStore({ client, prefix }))
  const cookie = { originalMaxAge: 60_000, expires: new Date(Date.now() + 60_000) }
  await store.set('s1', { cookie, userId: 'eva' })
  const loaded = await store.get('s1')
  assert.equal(await other.destroyUser('eva'), 1)
  await store.set('s1', Object.assign(loaded, { cart: [] }))
  assert.deepEqual(await other.ids(), [])
  for (const each of [store, other]) await each.close()
}
await client.close()

// A test of an app may stop the clock. ioredis sends its commands even then, so every call settles.
const driver = new Redis(process.env.REDIS_URL)
const watchdog = setTimeout(() => assert.fail('a call did not settle'), 20_000)
for (const { UserSessionStore } of builds) {
  const store = new UserSessionStore({ client: driver, prefix })
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate'] })
  await store.set('s1', { cookie: { originalMaxAge: 60_000 }, userId: 'eva' })
  assert.equal((await store.userSessions('eva')).length, 1)
  assert.equal(await store.destroyUser('eva'), 1)
  mock.timers.reset()
}
clearTimeout(watchdog)
await driver.quit()
