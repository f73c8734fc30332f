/** Finds a Redis, starts the app, and ends both properly: `npm start`. */
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { createClient } from 'redis'
// In your app: from 'redis-user-sessions'
import { UserSessionStore } from '../../src/index.ts'
import { findRedis } from '../../test/support/redis-server.ts'
import { createApp } from './app.ts'
import { demoUsers, Users } from './users.ts'

const port = Number(process.env.PORT || 3000)
// Everybody knows the demo's passwords: other machines get in only where HOST says so.
const host = process.env.HOST || '127.0.0.1'
const redis = await findRedis()

const client = createClient({ url: redis.url })
client.on('error', (error) => console.error(`Redis: ${error.message}`))
await client.connect()

// A connection of its own, on which the store hears of sign-outs in other processes.
const subscriber = client.duplicate()
subscriber.on('error', (error) => console.error(`Redis: ${error.message}`))
await subscriber.connect()

// Prefixes of its own, because the Redis may be one that other apps use.
const prefixes = { prefix: 'example:session:', userPrefix: 'example:user:' }
const store = new UserSessionStore({ client, subscriber, ...prefixes })
const secret = process.env.SESSION_SECRET || randomBytes(32).toString('base64url')
const users = await Users.create(demoUsers)
const server = createServer(createApp({ store, secret, users, demoUsers }))

async function end(exitCode: number): Promise<void> {
  process.exitCode = exitCode
  server.close()
  server.closeAllConnections()
  await Promise.all([client.close(), subscriber.close()])
  await redis.stop()
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void end(0))

server.once('error', (error) => {
  console.error(`Cannot listen on port ${port}: ${error.message}. PORT=3001 npm start uses another.`)
  void end(1)
})

server.listen(port, host, () => {
  console.log(`Redis: ${redis.how}`)
  if (!process.env.SESSION_SECRET) {
    console.log('SESSION_SECRET is not set: a random one is used, and a restart signs everybody out.')
  }
  console.log(`\nOpen http://localhost:${port} in two browsers and sign in as`)
  for (const { name, password, role } of demoUsers) console.log(`  ${name}, password "${password}" (${role})`)
})
