/**
 * Many open server-sent-event connections on two processes. A revocation in one process closes exactly that user's
 * connections, in both.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { UserSessionStore } from '../../src/index.ts'
import { cookieFor } from '../support/app.ts'
import { eventually } from '../support/eventually.ts'
import { freshPrefixes } from '../support/hooks.ts'
import type { LiveAnswer, LiveOptions, LiveOrder } from '../support/live-process.ts'
import { newSession } from '../support/sessions.ts'
import { startTopology } from '../support/topologies.ts'

const CONNECTIONS = Number(process.env.LIVE_CONNECTIONS || 1000)
const USERS = 20

type Connection = { userId: string; process: number; text: string; closed: boolean }

describe(`${CONNECTIONS} open connections on two processes`, function () {
  this.timeout('5m')

  type Server = Awaited<ReturnType<typeof startTopology<'server'>>>
  const prefixes = freshPrefixes()
  const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY })
  const connections: Connection[] = []
  const children: ChildProcess[] = []
  const ports: number[] = []
  let topology: Server
  let client: Awaited<ReturnType<Server['connect']>>
  let store: UserSessionStore

  before(async () => {
    topology = await startTopology('server')
    client = await topology.connect()
    store = new UserSessionStore({ client, ...prefixes })
    await Promise.all([startProcess(), startProcess()])
    for (let first = 0; first < CONNECTIONS; first += 100) {
      const numbers = Array.from({ length: Math.min(100, CONNECTIONS - first) }, (_, n) => first + n)
      await Promise.all(numbers.map(open))
    }
    await untilBothListen()
  })

  after(async () => {
    for (const child of children) if (child.connected) child.disconnect()
    await Promise.all(children.map((child) => child.exitCode ?? once(child, 'exit')))
    agent.destroy()
    client.destroy()
    await topology.stop()
  })

  async function startProcess(): Promise<void> {
    const options: LiveOptions = { ...prefixes, url: topology.nodes[0]?.server.url as string }
    const child = fork(fileURLToPath(new URL('../support/live-process.ts', import.meta.url)), {
      execArgv: ['--import', 'tsx'],
      env: { ...process.env, LIVE_OPTIONS: JSON.stringify(options) },
    })
    children.push(child)
    const [answer] = (await once(child, 'message')) as [LiveAnswer]
    ports.push((answer as { port: number }).port)
  }

  /** Signs in on a device of its own, and opens its connection to one of the processes. */
  async function open(n: number): Promise<void> {
    const userId = `user ${n % USERS}`
    await store.set(`device ${n}`, newSession({ userId }))
    const target = Math.floor(n / USERS) % 2
    const headers = { cookie: cookieFor(`device ${n}`) }
    const [response] = (await once(
      get({ agent, port: ports[target], path: '/events', headers }),
      'response',
    )) as [IncomingMessage]
    expect(response.statusCode).to.equal(200)
    const connection: Connection = { userId, process: target, text: '', closed: false }
    response.setEncoding('utf8').on('data', (text) => {
      connection.text += text
    })
    response.once('end', () => {
      connection.closed = true
    })
    response.on('error', () => {})
    connections.push(connection)
  }

  async function destroyUser(child: number, userId: string): Promise<number> {
    children[child]?.send({ destroyUser: userId } satisfies LiveOrder)
    const [answer] = (await once(children[child] as ChildProcess, 'message')) as [LiveAnswer]
    return (answer as { destroyed: number }).destroyed
  }

  async function untilBothListen(): Promise<void> {
    await eventually('both to listen', async () => {
      const counts = (await client.sendCommand(['PUBSUB', 'NUMSUB', `${prefixes.prefix}revoked`])) as [
        string,
        number,
      ]
      return Number(counts[1]) === 2
    })
  }

  const cut = () => client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub'])
  const of = (userId: string) => connections.filter((connection) => connection.userId === userId)
  const openUsers = () => new Set(connections.filter(({ closed }) => !closed).map(({ userId }) => userId))

  /** All of the user's connections close, in both processes, and no other connections. */
  async function expectClosed(userId: string): Promise<void> {
    const others = connections.filter((connection) => connection.userId !== userId && !connection.closed)
    await eventually('them to close', () => of(userId).every(({ closed }) => closed))
    expect(new Set(of(userId).map((connection) => connection.process)).size, 'processes').to.equal(2)
    for (const { text } of of(userId)) expect(text).to.include('event: revoked')
    await sleep(100)
    expect(others.filter(({ closed }) => closed)).to.deep.equal([])
  }

  it('destroyUser in one of them closes exactly that user\u2019s', async () => {
    expect(connections).to.have.lengthOf(CONNECTIONS)
    for (const [child, userId] of ['user 3', 'user 4'].entries()) {
      expect(await destroyUser(child, userId)).to.equal(of(userId).length)
      await expectClosed(userId)
    }
  })

  it('also after the connection to Redis was cut, and came back', async () => {
    await cut()
    await untilBothListen()
    await destroyUser(1, 'user 5')
    await expectClosed('user 5')
  })

  it('close for sessions that were revoked while the subscriber was away, as soon as it is back', async () => {
    // This store publishes nothing, as if its messages had been lost.
    await store.destroyUser('user 6')
    await sleep(100)
    expect(openUsers()).to.include('user 6')
    await cut()
    await expectClosed('user 6')
  })

  it('and leaves everybody else connected', () => {
    expect(openUsers().size).to.equal(USERS - 4)
    const left = connections.filter(({ closed }) => !closed)
    expect(left).to.have.lengthOf(CONNECTIONS - ['3', '4', '5', '6'].flatMap((n) => of(`user ${n}`)).length)
  })
})
