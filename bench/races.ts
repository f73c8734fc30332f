/**
 * What becomes of a session when requests overlap, over HTTP through express-session, beside connect-redis:
 *
 *     npm run races -- [--races 10000] [--changes 10000] [--operations 100000] [--at-once 64] [--write]
 *
 * Prints a Markdown table; exits with 1 if a signed-out session came back, a change was lost or a guarantee did not hold.
 * `--write` puts the table into docs/races.md.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { RedisStore } from 'connect-redis'
import express from 'express'
import session, { type Store } from 'express-session'
import fc from 'fast-check'
import { createClient } from 'redis'
import { UserSessionStore } from '../src/index.ts'
import { program, users, violationsOf } from '../test/model/program.ts'
import { World } from '../test/model/world.ts'
import { findRedis } from '../test/support/redis-server.ts'
import { askVersion } from '../test/support/server-version.ts'
import { newSession } from '../test/support/sessions.ts'
import { startTopology, stopRemainingTopologies, type TopologyName } from '../test/support/topologies.ts'
import { fillMarked } from './support/marked.ts'

/**
 * In ms, after all requests have loaded their session: the time within which slow requests save, and within which the
 * sign-out happens.
 */
const SLOW = 60
const SIGN_OUT = 20
const OVERLAPPING = 8
const SECRET = 'races'
const PREFIX = 'races:session:'
const USER_PREFIX = 'races:user:'

/** Holds requests until enough of them have arrived. */
class Gate {
  readonly #open: () => void
  readonly opened: Promise<void>
  #awaited: number

  constructor(awaited: number) {
    this.#awaited = awaited
    const { promise, resolve } = deferred()
    this.opened = promise
    this.#open = resolve
  }

  enter(): Promise<void> {
    if (--this.#awaited === 0) this.#open()
    return this.opened
  }
}

/** By session id: the requests that have loaded it. */
const gates = new Map<string, Gate>()

function deferred() {
  let resolve: () => void = () => {}
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

type Fields = Record<string, unknown>
type Client = Awaited<ReturnType<typeof connect>>
type Result = { brought: number; lost: number }

const { values } = parseArgs({
  options: {
    races: { type: 'string', default: '10000' },
    changes: { type: 'string', default: '10000' },
    operations: { type: 'string', default: '100000' },
    'at-once': { type: 'string', default: '64' },
    write: { type: 'boolean', default: false },
  },
})
const [races, changes, operations, atOnce] = [
  ...[values.races, values.changes, values.operations, values['at-once']].map(Number),
] as [number, number, number, number]

const stores: Record<string, (client: Client) => Store> = {
  'connect-redis': (client) => new RedisStore({ client, prefix: PREFIX }),
  'redis-user-sessions': (client) =>
    new UserSessionStore({ client, prefix: PREFIX, userPrefix: USER_PREFIX }),
}

function table(results: Map<string, Result>): string {
  const names = Object.keys(stores)
  const cells = (resave: boolean, figure: keyof Result) =>
    names.map((name) => n(results.get(`${name} ${resave}`)?.[figure] ?? Number.NaN)).join(' | ')
  return [
    `| | \`resave\` | ${names.join(' | ')} |`,
    `|---|---|${names.map(() => '--:|').join('')}`,
    `| ${n(races)} sign-outs while a slow request is under way: sessions that came back | false | ${cells(false, 'brought')} |`,
    `| | true | ${cells(true, 'brought')} |`,
    `| ${n(changes)} changes by ${OVERLAPPING} overlapping requests each: changes lost | false | ${cells(false, 'lost')} |`,
    `| | true | ${cells(true, 'lost')} |`,
  ].join('\n')
}

async function inApp(store: Store, resave: boolean, client: Client): Promise<Result> {
  const app = express()
  app.use(session({ store, secret: SECRET, resave, saveUninitialized: false }))
  app.get('/change', async (req, res) => {
    await gates.get(req.sessionID)?.enter()
    await sleep(Math.random() * SLOW)
    Object.assign(req.session, { [String(req.query.name)]: true })
    res.end()
  })
  app.get('/sign-out', (req, res, next) => {
    const { userId } = req.session as unknown as { userId: string }
    const done = (error: unknown) => (error ? next(error) : res.end())
    if (store instanceof UserSessionStore && req.query.everywhere) store.destroyUser(userId, done)
    else req.session.destroy(done)
  })
  const server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const browser = new Browser((server.address() as AddressInfo).port)
  try {
    const brought = await count(races, atOnce, (nth) => race(browser, store, client, nth))
    const rounds = Math.ceil(changes / OVERLAPPING)
    const lost = await count(rounds, Math.ceil(atOnce / OVERLAPPING), (nth) =>
      overlap(browser, store, client, nth),
    )
    return { brought, lost }
  } finally {
    browser.close()
    server.close()
    await once(server, 'close')
    for await (const keys of client.scanIterator({ MATCH: 'races:*', COUNT: 1000 })) {
      if (keys.length > 0) await client.unlink(keys)
    }
  }
}

/** A slow request against a sign-out; resolves to 1 if there is something left of the session, else to 0. */
async function race(browser: Browser, store: Store, client: Client, nth: number): Promise<number> {
  const { id, cookie } = await signIn(store, `racer${nth}`)
  const gate = new Gate(1)
  gates.set(id, gate)
  const slow = browser.get('/change?name=seen', cookie)
  await gate.opened
  await sleep(Math.random() * SIGN_OUT)
  await Promise.all([slow, browser.get(`/sign-out${nth % 2 ? '?everywhere=1' : ''}`, cookie)])
  gates.delete(id)
  const [lives, listed] = await Promise.all([
    client.exists(PREFIX + id),
    client.zScore(`${USER_PREFIX}racer${nth}:sessions`, id),
  ])
  return lives === 1 || listed !== null ? 1 : 0
}

/** Resolves to how many of the changes of overlapping requests are not in the session afterwards. */
async function overlap(browser: Browser, store: Store, client: Client, nth: number): Promise<number> {
  const { id, cookie } = await signIn(store, `overlapper${nth}`)
  const names = Array.from({ length: OVERLAPPING }, (_, n) => `change${n}`)
  gates.set(id, new Gate(OVERLAPPING))
  await Promise.all(names.map((name) => browser.get(`/change?name=${name}`, cookie)))
  gates.delete(id)
  const record: Fields = JSON.parse((await client.get(PREFIX + id)) ?? '{}')
  return names.filter((name) => record[name] !== true).length
}

/** Makes a session as a sign-in does, and the cookie that names it. */
async function signIn(store: Store, userId: string): Promise<{ id: string; cookie: string }> {
  const id = randomBytes(24).toString('base64url')
  await new Promise<void>((resolve, reject) => {
    store.set(id, newSession({ userId }), (error) => (error ? reject(error) : resolve()))
  })
  const signature = createHmac('sha256', SECRET).update(id).digest('base64').replace(/=+$/, '')
  return { id, cookie: `connect.sid=${encodeURIComponent(`s:${id}.${signature}`)}` }
}

/** Runs `work` so many times, some at once; resolves to the sum. */
async function count(times: number, atOnce: number, work: (nth: number) => Promise<number>): Promise<number> {
  let [started, sum] = [0, 0]
  const lane = async () => {
    while (started < times) {
      const more = await work(started++)
      sum += more
    }
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  return sum
}

async function randomOperations(name: TopologyName) {
  const topology = await startTopology(name)
  if (!topology) throw new Error(`There are no servers for ${name}`)
  const client = await topology.connect()
  const result = { done: 0, wrong: [] as string[] }
  const seed = Date.now() % 2 ** 31
  const programs = fc.sample(program, { seed, numRuns: Math.ceil(operations / 10) })
  await count(programs.length, atOnce, async (nth) => {
    const next = programs[nth] as (typeof programs)[number]
    if (result.done >= operations) return 0
    result.done += next.steps.length
    const wrong = await violationsOf(new World(topology, client, users), next)
    result.wrong.push(...wrong.map((each) => `seed ${seed}, program ${nth}: ${each}`))
    return 0
  })
  await client.close()
  return result
}

/** Keeps its connections, and no cookies. */
class Browser {
  readonly #agent = new Agent({ keepAlive: true })

  constructor(readonly port: number) {}

  /** Rejects for any status but 200. */
  async get(path: string, cookie: string): Promise<void> {
    const sent = request({ port: this.port, path, agent: this.#agent, headers: { cookie } }).end()
    const [response] = await once(sent, 'response')
    const body = Buffer.concat(await response.toArray()).toString()
    if (response.statusCode !== 200) throw new Error(`${path}: ${response.statusCode} ${body}`)
  }

  close(): void {
    this.#agent.destroy()
  }
}

async function connect(url: string) {
  const client = createClient({ url })
  client.on('error', () => {})
  return client.connect()
}

function n(figure: number): string {
  return figure.toLocaleString('en')
}

const redis = await findRedis()
const client = await connect(redis.url)
try {
  const results = new Map<string, Result>()
  for (const [name, store] of Object.entries(stores)) {
    for (const resave of [false, true]) {
      results.set(`${name} ${resave}`, await inApp(store(client), resave, client))
    }
  }
  const random = [
    { where: 'one server', ...(await randomOperations('server')) },
    { where: 'Redis Cluster', ...(await randomOperations('cluster')) },
  ]
  const lines = random.map(
    ({ where, done, wrong }) => `| ${n(done)} random operations on ${where} | ${wrong.length} |`,
  )
  const parts = [
    `On ${await askVersion(redis.url)}, Node ${process.versions.node.split('.')[0]}:`,
    table(results),
    ['| concurrent callers | violations of a guarantee |', '|---|--:|', ...lines].join('\n'),
  ]
  console.log(parts.join('\n\n'))
  if (values.write) await fillMarked('docs/races.md', 'races', parts)
  const wrong = random.flatMap((each) => each.wrong)
  for (const each of wrong) console.error(each)
  const ours = [...results].filter(([name]) => name.startsWith('redis-user-sessions'))
  if (wrong.length > 0 || ours.some(([, { brought, lost }]) => brought + lost > 0)) process.exitCode = 1
} finally {
  await client.close()
  await stopRemainingTopologies()
  await redis.stop()
}
