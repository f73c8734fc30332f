/** The recipes for open connections: each connection closes when its session is revoked, even by another process. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import express from 'express'
import session from 'express-session'
import { io as connectTo, type Socket } from 'socket.io-client'
import { WebSocket } from 'ws'
import '../../examples/recipes/session-data.ts'
import { socketIo } from '../../examples/recipes/socket-io.ts'
import { SESSION_OVER, webSockets } from '../../examples/recipes/websocket.ts'
import { deleteSession, UserSessionStore } from '../../src/index.ts'
import { HOUR, useDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { connect, type TestClient } from '../support/hooks.ts'

const ORIGIN = 'https://app.example'

describe('Connections that stay open', () => {
  const db = useDatabase()
  let subscribers: TestClient[]
  let server: Server
  let url: string
  /** The store of the process with the connections, and the store of another process. */
  let store: UserSessionStore
  let elsewhere: UserSessionStore
  let sessions: express.RequestHandler
  const closing: (() => unknown)[] = []

  beforeEach(async () => {
    subscribers = [await connect(), await connect()]
    store = db.store({ subscriber: subscribers[0] })
    elsewhere = db.store({ subscriber: subscribers[1] })
    sessions = session({ store, secret: 'a secret', resave: false, saveUninitialized: false })
    const app = express()
    app.use(sessions)
    app.post('/sign-in/:userId', (req, res) => {
      req.session.userId = req.params.userId
      res.end()
    })
    server = createServer(app)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    await eventually('both to listen', async () => {
      const reply = await db.client.sendCommand(['PUBSUB', 'NUMSUB', `${db.prefixes.prefix}revoked`])
      return Number((reply as unknown as [string, number])[1]) === 2
    })
  })

  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
    server.closeAllConnections()
    server.close()
    for (const client of subscribers) client.destroy()
  })

  async function signIn(userId: string): Promise<string> {
    const response = await fetch(`${url}/sign-in/${userId}`, { method: 'POST' })
    return response.headers.getSetCookie()[0]?.split(';')[0] as string
  }

  const ways: Record<string, (sessionId: string) => Promise<unknown>> = {
    'destroyUser here': () => store.destroyUser('alice'),
    'destroyUser in another process': () => elsewhere.destroyUser('alice'),
    'destroy in another process': (id) => elsewhere.destroy(id),
    'deleteSession, and a check': async (id) => {
      await deleteSession({ ...db.options, sessionId: id })
      await store.checkRevoked()
    },
  }

  async function sessionOf(userId: string): Promise<string> {
    const [found] = await store.userSessions(userId)
    return found?.sessionId as string
  }

  describe('ws', () => {
    let connections: { userId: string; sessionId: string }[]

    beforeEach(() => {
      connections = []
      const sockets = webSockets(server, store, sessions, ORIGIN, (socket, who) => {
        connections.push(who)
        socket.on('message', (data) => socket.send(`${who.userId} said ${data}`))
      })
      closing.push(() => sockets.close())
    })

    function open(cookie: string, origin = ORIGIN): WebSocket {
      const socket = new WebSocket(url.replace('http', 'ws'), { headers: { cookie, origin } })
      closing.push(() => socket.terminate())
      return socket
    }

    for (const [name, revoke] of Object.entries(ways)) {
      it(`closes on ${name}, with a code that tells the reason, and no other connection closes`, async () => {
        const cookies = [await signIn('alice'), await signIn('bob')] as const
        const [alice, bob] = [open(cookies[0]), open(cookies[1])]
        await Promise.all([once(alice, 'open'), once(bob, 'open')])
        const id = await sessionOf('alice')
        expect(connections).to.deep.include({ userId: 'alice', sessionId: id })
        const [, [code]] = await Promise.all([revoke(id), once(alice, 'close')])
        expect(code).to.equal(SESSION_OVER)
        bob.send('hello')
        expect(String((await once(bob, 'message'))[0])).to.equal('bob said hello')
      })
    }

    it('refuses browsers that are not signed in, and pages of other sites', async () => {
      const cookie = await signIn('alice')
      const refused = async (socket: WebSocket) => (await once(socket, 'error'))[0].message
      expect(await refused(open(''))).to.include('401')
      expect(await refused(open('connect.sid=s%3Aforged.x'))).to.include('401')
      expect(await refused(open(cookie, 'https://evil.example'))).to.include('403')
      await store.destroyUser('alice')
      expect(await refused(open(cookie))).to.include('401')
      expect(connections).to.deep.equal([])
    })

    it('refuses while Redis fails', async () => {
      const cookie = await signIn('alice')
      const { get } = UserSessionStore.prototype
      store.get = ((_id: string, callback: (error: Error) => void) =>
        callback(new Error('away'))) as typeof get
      expect((await once(open(cookie), 'error'))[0].message).to.include('503')
    })

    it('neither saves nor touches the session, and forgets it when the connection closes', async () => {
      const cookie = await signIn('alice')
      const before = await db.dump()
      const socket = open(cookie)
      await once(socket, 'open')
      socket.close()
      await once(socket, 'close')
      expect(await db.dump()).to.deep.equal(before)
      await deleteSession({ ...db.options, sessionId: await sessionOf('alice') })
      await eventually('nothing to wait for', async () => (await store.checkRevoked()) === 0)
    })
  })

  describe('Socket.IO', () => {
    beforeEach(() => {
      const io = socketIo(server, store, sessions, ORIGIN)
      closing.push(() => io.close())
    })

    function open(cookie: string, transports: string[], origin?: string): Socket {
      const extraHeaders: Record<string, string> = origin ? { cookie, origin } : { cookie }
      const socket = connectTo(url, { transports, extraHeaders, reconnection: false, forceNew: true })
      closing.push(() => socket.disconnect())
      return socket
    }

    const happens = (socket: Socket, event: string) =>
      new Promise<unknown>((resolve) => socket.once(event, resolve))

    for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']]) {
      for (const [name, revoke] of Object.entries(ways)) {
        it(`disconnects on ${name}, and no other connection: ${transports.join(', then ')}`, async () => {
          const cookies = [await signIn('alice'), await signIn('bob')] as const
          const [alice, bob] = [open(cookies[0], transports), open(cookies[1], transports)]
          await Promise.all([happens(alice, 'connect'), happens(bob, 'connect')])
          const told = happens(alice, 'session over')
          const [, reason] = await Promise.all([
            revoke(await sessionOf('alice')),
            happens(alice, 'disconnect'),
          ])
          await told
          expect(reason).to.equal('io server disconnect')
          expect(bob.connected).to.equal(true)
        })
      }
    }

    for (const transport of ['websocket', 'polling']) {
      it(`while Redis fails it does not ask anyone to sign in, and shows nothing of the error: ${transport}`, async () => {
        const cookie = await signIn('alice')
        const key = db.prefixes.prefix + (await sessionOf('alice'))
        const record = (await db.client.get(key)) as string
        await db.client.del(key)
        await db.client.lPush(key, 'of another type') // a load that fails, with an error that names the key
        const error = (await happens(open(cookie, [transport]), 'connect_error')) as Error
        expect(error.message).to.equal('Try again later')
        await db.client.set(key, record, { PX: HOUR })
        await happens(open(cookie, [transport]), 'connect')
      })
    }

    it('refuses browsers that are not signed in, and pages of other sites', async () => {
      const cookie = await signIn('alice')
      const refused = async (socket: Socket) => ((await happens(socket, 'connect_error')) as Error).message
      expect(await refused(open('', ['websocket']))).to.equal('Sign in first')
      expect(await refused(open(cookie, ['websocket'], 'https://evil.example'))).to.include('websocket error')
      const own = open(cookie, ['websocket'], ORIGIN)
      await happens(own, 'connect')
    })
  })
})
