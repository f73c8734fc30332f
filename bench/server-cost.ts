import { type BenchStore, type Client, type Contender, contenders } from './support/contenders.ts'
import { type Counter, counting } from './support/counting-client.ts'
import { type Done, get, loadChangeSave, loadTouch, prepareSignIn, signIn } from './support/operations.ts'
import { type Benchmark, type Context, count, type Row, us } from './support/result.ts'
import { drive } from './support/rounds.ts'
import { info, withServer } from './support/server.ts'
import { sessionData, sessionIdOf, visited } from './support/sessions.ts'
import { sum } from './support/statistics.ts'

const SESSIONS = 1000
const SESSIONS_OF_ONE_USER = 5
const nth = (n: number) => sessionIdOf(visited(n, SESSIONS))
const userOf = (n: number) => `user-${Math.floor(n / SESSIONS_OF_ONE_USER)}`

interface Kind {
  what: string
  operation: (store: BenchStore, n: number, done: Done) => void
  /** Signs out sessions, which are there again for the next. */
  destroys?: boolean
  oursOnly?: boolean
}

type Lists = { userSessions(id: string, done: Done): void; destroyUser(id: string, done: Done): void }

const kinds: Kind[] = [
  { what: 'get', operation: (store, n, done) => get(store, nth(n), done) },
  { what: 'load, change, save', operation: (store, n, done) => loadChangeSave(store, nth(n), done) },
  { what: 'load, touch', operation: (store, n, done) => loadTouch(store, nth(n), done) },
  { what: 'sign-in', operation: (store, n, done) => signIn(store, userOf(n), done) },
  { what: 'destroy', operation: (store, n, done) => store.destroy(sessionIdOf(n), done), destroys: true },
  {
    what: '`userSessions` of 5',
    operation: (store, n, done) => (store as unknown as Lists).userSessions(userOf(n), done),
    oursOnly: true,
  },
  {
    what: '`destroyUser` of 5',
    operation: (store, n, done) =>
      (store as unknown as Lists).destroyUser(userOf(n * SESSIONS_OF_ONE_USER), done),
    destroys: true,
    oursOnly: true,
  },
]

export const benchmark: Benchmark = {
  about:
    'What one operation asks of the server: its CPU time by `INFO commandstats` (scripts with what they run; sockets not), that ' +
    'of its whole process, the commands that the client sends, the round trips it waits for, and the commands that scripts ' +
    'run inside.',
  run: (context) => withServer(({ client }) => measureAll(client, context)),
}

async function measureAll(client: Client, context: Context): Promise<Row[]> {
  const rows: Row[] = []
  const { client: counted, counter } = counting(client)
  for (const contender of await contenders(counted, context)) {
    prepareSignIn(contender.store)
    for (const kind of kinds) {
      if (kind.oursOnly && contender.name !== 'redis-user-sessions') continue
      await client.flushDb()
      await fill(contender)
      rows.push(await measure(client, contender, kind, counter, context))
    }
  }
  return rows.sort((a, b) => kindOf(a) - kindOf(b))
}

function kindOf({ what }: Row): number {
  return kinds.findIndex((kind) => what.startsWith(`${kind.what}:`))
}

async function fill({ store }: Contender): Promise<void> {
  await drive((n, done) => store.set(sessionIdOf(n), sessionData(userOf(n), 300), done), SESSIONS, 100)
}

async function measure(
  client: Client,
  contender: Contender,
  { what, operation, destroys }: Kind,
  counter: Counter,
  { concurrency }: Context,
): Promise<Row> {
  const { name, store } = contender
  const turn = (many: number, atATime: number) => drive((n, done) => operation(store, n, done), many, atATime)
  const many = destroys ? SESSIONS / SESSIONS_OF_ONE_USER : SESSIONS

  counter.reset()
  await turn(many, 1)
  const trips = counter.trips / many
  if (destroys) await fill(contender)

  counter.reset()
  await client.configResetStat()
  const cpuBefore = await serverCpu(client)
  await turn(many, concurrency)
  const cpu = (await serverCpu(client)) - cpuBefore
  const stats = await commandStats(client)
  const sent = sum(counter.commands.values()) / many
  const inCommands = sum(
    stats.map(({ command, usecPerCall }) => usecPerCall * (counter.commands.get(command) ?? 0)),
  )
  return {
    what: `${what}: ${name}`,
    figures: {
      'CPU in commands': us(inCommands / many),
      'CPU of the server': us(cpu / many),
      'round trips': count(trips),
      'commands sent': count(sent),
      'commands in scripts': count(sum(stats.map(({ calls }) => calls)) / many - sent),
      'all commands': stats.map((stat) => shown(stat, many)).join(', '),
    },
  }
}

interface CommandStat {
  command: string
  calls: number
  usecPerCall: number
}

function shown({ command, calls, usecPerCall }: CommandStat, operations: number): string {
  return `${Number((calls / operations).toFixed(2))} ${command} (${usecPerCall.toFixed(1)} µs)`
}

async function commandStats(client: Client): Promise<CommandStat[]> {
  const stats = Object.entries(await info(client, 'commandstats')).map(([name, fields]) => ({
    command: name.replace('cmdstat_', ''),
    calls: Number(/\bcalls=(\d+)/.exec(fields)?.[1]),
    usecPerCall: Number(/usec_per_call=([\d.]+)/.exec(fields)?.[1]),
  }))
  return stats
    .filter(({ command }) => !/^(info|config)/.test(command))
    .sort((a, b) => b.usecPerCall - a.usecPerCall)
}

/** CPU time of the server's process, in µs. */
async function serverCpu(client: Client): Promise<number> {
  const { used_cpu_user, used_cpu_sys } = await info(client, 'cpu')
  return (Number(used_cpu_user) + Number(used_cpu_sys)) * 1_000_000
}
