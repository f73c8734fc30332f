/** Finds a Redis, starts the app, and ends both properly: `npm start`. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createClient } from 'redis'
// In your app: from 'redis-user-sessions'
import { UserSessionStore } from '../../src/index.ts'
import { findRedis } from '../../test/support/redis-server.ts'
import { createApp } from './app.ts'
import { demoUsers, Users } from './users.ts'

const port = process.env.PORT || '3000'
// Everybody knows the demo's passwords: other machines get in only where HOST says so.
const host = process.env.HOST || '127.0.0.1'
// A Redis that is not there when the app starts is most likely a wrong address; one that goes away later comes back.
const RETRY_AT_MOST_MS = 2000

async function start(): Promise<void> {
  if (!/^\d+$/.test(port) || Number(port) > 65_535) throw new Error(`PORT is "${port}", which is not a port`)
  const redis = await findRedis()
  let connected = false
  const client = createClient({
    url: redis.url,
    socket: {
      reconnectStrategy: (attempts, cause) =>
        connected ? Math.min(50 * 2 ** attempts, RETRY_AT_MOST_MS) : cause,
    },
  })
  client.on('error', (error) => {
    if (connected) console.error(`Redis: ${error.message}`)
  })
  await client.connect().catch((error) => {
    throw new Error(`No connection to ${redis.how}: ${error.message}`)
  })
  connected = true

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

  const end = async () => {
    server.close()
    server.closeAllConnections()
    await Promise.all([client.close(), subscriber.close()])
    await redis.stop()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void end())

  server.listen(Number(port), host)
  try {
    await once(server, 'listening')
  } catch (error) {
    await end()
    const { message } = error as Error
    throw new Error(`Cannot listen on port ${port}: ${message}. PORT=3001 npm start uses another.`)
  }
  console.log(`Uses ${redis.how}`)
  if (!process.env.SESSION_SECRET) {
    console.log('SESSION_SECRET is not set: a random one is used, and a restart signs everybody out.')
  }
  console.log(`\nOpen http://localhost:${port} in two browsers and sign in as`)
  for (const { name, password, role } of demoUsers) console.log(`  ${name}, password "${password}" (${role})`)
}

// What stops a start is for whoever started it to put right: the sentence that says so, and no stack.
start().catch((error) => {
  console.error(error.message)
  process.exit(1)
})
