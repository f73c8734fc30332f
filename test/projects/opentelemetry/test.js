// Traces of the real instrumentation show no session and no session id.
const assert = require('node:assert/strict')
const {
  InMemorySpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
} = require('@opentelemetry/sdk-trace-node')
const { traceRedis } = require('./tracing.js')

const exporter = new InMemorySpanExporter()
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
provider.register()
traceRedis(provider)
const { createClient } = require('redis')
const { UserSessionStore } = require('redis-user-sessions')

const SECRET = 'a secret of the session'
const ID = 'an-id-of-a-session'
const cookie = () => ({ originalMaxAge: 3_600_000, expires: new Date(Date.now() + 3_600_000).toISOString() })

async function main() {
  const client = await createClient({ url: process.env.REDIS_URL }).connect()
  const store = new UserSessionStore({ client, prefix: 'opentelemetry:' })
  await store.set(ID, { cookie: cookie(), userId: 'eva', token: SECRET })
  const session = store.createSession({ sessionStore: store, sessionID: ID }, await store.get(ID))
  await store.set(ID, Object.assign(session, { cart: [] }))
  await store.touch(ID, session)
  await store.updateUser('eva', { token: `${SECRET} too` })
  await store.userSessions('eva')
  await store.destroyUser('eva')
  await client.close()
  await provider.forceFlush()

  const spans = exporter.getFinishedSpans()
  const statements = new Set(
    spans.map(({ attributes }) => attributes['db.statement'] ?? attributes['db.query.text']),
  )
  for (const command of ['GET', 'SET', 'EVALSHA'])
    assert(statements.has(command), `${command} in ${[...statements]}`)
  const told = JSON.stringify(
    spans.map(({ name, attributes, events, status }) => ({ name, attributes, events, status })),
  )
  for (const hidden of [SECRET, ID]) assert(!told.includes(hidden), `a trace shows ${hidden}`)
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
