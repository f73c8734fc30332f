/**
 * One process of an app with open server-sent-event connections. It tells its parent its port, and signs out the users
 * that its parent names.
 */
import type { AddressInfo } from 'node:net'
import { createClient } from 'redis'
import { UserSessionStore } from '../../src/index.ts'
import { appWith, sessionOf } from './app.ts'
import type { Prefixes } from './hooks.ts'

export type LiveOptions = Prefixes & { url: string }
export type LiveOrder = { destroyUser: string }
export type LiveAnswer = { port: number } | { destroyed: number }

const { url, ...prefixes } = JSON.parse(process.env.LIVE_OPTIONS as string) as LiveOptions
const tell = (answer: LiveAnswer) => process.send?.(answer)

async function connected() {
  const client = createClient({ url, socket: { reconnectStrategy: 20 } })
  client.on('error', () => {})
  return client.connect()
}

const store = new UserSessionStore({ client: await connected(), subscriber: await connected(), ...prefixes })
const app = appWith(store, {
  '/events': (req, res) => {
    if (res.closed) return
    if (!sessionOf(req).userId) return res.sendStatus(401)
    res.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(': open\n\n')
    const takeBack = store.onRevoked(req.sessionID, () => res.end('event: revoked\ndata:\n\n'))
    res.once('close', takeBack)
  },
})
const server = app.listen(0, '127.0.0.1', () => tell({ port: (server.address() as AddressInfo).port }))

process.on('message', async ({ destroyUser }: LiveOrder) => {
  tell({ destroyed: await store.destroyUser(destroyUser) })
})
process.once('disconnect', () => process.exit())
