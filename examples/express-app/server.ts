/** Connects to Redis, starts the app, and ends both properly: `npm start`. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createApp } from './app.ts'
import { connect, createStore, type Redis } from './store.ts'
import { demoUsers, Users } from './users.ts'

const { PORT = '3000', REDIS_URL = 'redis://localhost:6379', SESSION_SECRET } = process.env
// The demo's passwords are public. Other machines can connect only if HOST allows it.
const HOST = process.env.HOST || '127.0.0.1'
const PUBLIC_URL = process.env.PUBLIC_URL || `http://localhost:${PORT}`

const NO_REDIS = 'Name another: REDIS_URL=redis://host:port npm start'

async function connectOrExplain(): Promise<Redis> {
  try {
    return await connect(REDIS_URL)
  } catch (error) {
    const { host } = new URL(REDIS_URL) // without a password
    const { message, code } = error as NodeJS.ErrnoException
    throw new Error(`No connection to Redis at ${host}: ${message || code}. ${NO_REDIS}`)
  }
}

async function start(): Promise<void> {
  if (!/^\d+$/.test(PORT) || Number(PORT) > 65_535) throw new Error(`PORT is "${PORT}", which is not a port`)
  const [client, subscriber] = [await connectOrExplain(), await connectOrExplain()]
  const store = createStore(client, subscriber)
  const users = await Users.create(demoUsers)
  const secret = SESSION_SECRET || randomBytes(32).toString('base64url')
  const app = createApp({ store, client, subscriber, secret, users, demoUsers, publicUrl: PUBLIC_URL })
  const server = createServer(app)

  const end = async () => {
    server.close()
    server.closeAllConnections()
    await store.close()
    await Promise.all([client.close(), subscriber.close()])
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void end().finally(() => process.exit()))
  }

  server.listen(Number(PORT), HOST)
  try {
    await once(server, 'listening')
  } catch (error) {
    await end()
    const { message } = error as Error
    throw new Error(`Cannot listen on port ${PORT}: ${message}. PORT=3001 npm start uses another.`)
  }
  if (!SESSION_SECRET) {
    console.log('SESSION_SECRET is not set: a random one is used, and a restart signs everybody out.')
  }
  console.log(`\nOpen ${PUBLIC_URL} in two browsers and sign in as`)
  for (const { name, password, role } of demoUsers) console.log(`  ${name}, password "${password}" (${role})`)
}

// The user can fix what stops a start. So this prints one sentence, and no stack.
start().catch((error) => {
  console.error(error.message)
  process.exit(1)
})
