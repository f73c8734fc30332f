/** One user's sessions among those of many others: the common part of the benchmarks user-sessions and destroy-user. */
import type { SessionData } from 'express-session'
import { type BenchStore, baseline, type Contender, type Ours, ourStore } from './contenders.ts'
import { fill, PREFIX, USER_PREFIX } from './fill.ts'
import { type Context, factor, ms, type Row } from './result.ts'
import { paired } from './rounds.ts'
import { type BenchServer, startServer } from './server.ts'
import { quantile, type Spread, spread } from './statistics.ts'

const CROWDS = [1_000, 100_000, 1_000_000]
const QUICK_CROWDS = [1_000, 10_000]
const SESSIONS_OF_THE_USER = [5, 500]
/** Turns of the baseline beside a large crowd. Each needs seconds, because it visits every session. */
const BASELINE_TURNS = 3
/** Beside the smallest crowd: how many turns a store has before the other one. */
const IN_A_ROW = 15
/** Turns that are not counted, until both stores are compiled. */
const WARM_UP = 5

export interface CrowdWork {
  /** Before each turn, untimed. */
  before?(server: BenchServer, user: string, sessions: number): Promise<void>
  /** Resolves to how many sessions it found. */
  ours(store: Ours, user: string): Promise<number>
  baseline(store: BenchStore, user: string): Promise<number>
}

interface Crowd {
  others: number
  server: BenchServer
  store: Ours
  rival: Contender
}

/**
 * All crowds exist at the same time and are measured in turn, so that their times can be compared. Beside the smallest
 * crowd, each store has some turns in a row, then the other one. Each such pair gives a ratio of medians.
 */
export async function besideCrowds(work: CrowdWork, context: Context): Promise<Row[]> {
  const crowds: Crowd[] = []
  try {
    for (const others of context.quick ? QUICK_CROWDS : CROWDS) crowds.push(await startCrowd(others, context))
    const rows: Row[] = []
    for (const sessions of SESSIONS_OF_THE_USER)
      rows.push(...(await measure(crowds, sessions, work, context)))
    return rows
  } finally {
    for (const { server } of crowds) await server.stop()
  }
}

/** Reads all sessions of a store, and picks those of a user. With connect-redis, an application must do this itself. */
export async function allOf(store: BenchStore, user: string): Promise<(SessionData & { id: string })[]> {
  const { all } = store as unknown as { all(): Promise<(SessionData & { id: string; userId?: string })[]> }
  const sessions = await all.call(store)
  return sessions.filter(({ userId }) => userId === user)
}

export function userOf(sessions: number): string {
  return `user-of-${sessions}-0`
}

export async function fillUser({ client }: BenchServer, sessions: number): Promise<void> {
  await fill(client, { many: sessions, each: sessions, name: `user-of-${sessions}-` })
}

async function startCrowd(others: number, context: Context): Promise<Crowd> {
  context.say(`${others.toLocaleString('en-US')} other sessions`)
  const server = await startServer()
  await fill(server.client, { many: others, name: 'other-' })
  for (const sessions of SESSIONS_OF_THE_USER) await fillUser(server, sessions)
  const store = await ourStore(server.client, context, { prefix: PREFIX, userPrefix: USER_PREFIX })
  return { others, server, store, rival: await baseline(server.client, context, PREFIX) }
}

async function measure(crowds: Crowd[], sessions: number, work: CrowdWork, context: Context): Promise<Row[]> {
  const ours = new Map<Crowd, number[]>(crowds.map((crowd) => [crowd, []]))
  const ourTurn = (crowd: Crowd) =>
    timed(crowd, sessions, work, () => work.ours(crowd.store, userOf(sessions)))
  const theirTurn = (crowd: Crowd) =>
    timed(crowd, sessions, work, () => work.baseline(crowd.rival.store, userOf(sessions)))
  for (let round = -WARM_UP; round < context.rounds; round++) {
    for (const crowd of crowds) {
      const time = await ourTurn(crowd)
      if (round >= 0) ours.get(crowd)?.push(time)
    }
  }
  const pairs = Math.ceil(context.rounds / IN_A_ROW)
  const rows: Row[] = []
  for (const [n, crowd] of crowds.entries()) {
    context.say(`${crowd.rival.name} beside ${crowd.others.toLocaleString('en-US')}`)
    const all = ours.get(crowd) as number[]
    const fewest = ours.get(crowds[0] as Crowd) as number[]
    const besideFewest = spread(all.map((time, round) => time / (fewest[round] as number)))
    const measured =
      n === 0
        ? await paired([inARow(() => theirTurn(crowd)), inARow(() => ourTurn(crowd))], pairs)
        : await beside(all, () => theirTurn(crowd))
    rows.push(row(crowd, sessions, measured, besideFewest.median))
  }
  return rows
}

/** The median of some turns, because the first ones pay for garbage and timers that the other store has left. */
function inARow(turn: () => Promise<number>): () => Promise<number> {
  return async () => {
    const times: number[] = []
    for (let n = 0; n < IN_A_ROW; n++) times.push(await turn())
    return quantile(times, 0.5)
  }
}

interface Measured {
  ratio: Spread
  baseline: number
  ours: number
}

/** A turn of the baseline takes so long that there are only a few. */
async function beside(ours: number[], theirTurn: () => Promise<number>): Promise<Measured> {
  const theirs: number[] = []
  for (let turn = 0; turn < BASELINE_TURNS; turn++) theirs.push(await theirTurn())
  const baseline = quantile(theirs, 0.5)
  return { ratio: spread(ours.map((time) => baseline / time)), baseline, ours: quantile(ours, 0.5) }
}

async function timed(
  { server }: Crowd,
  sessions: number,
  work: CrowdWork,
  turn: () => Promise<number>,
): Promise<number> {
  await work.before?.(server, userOf(sessions), sessions)
  const start = performance.now()
  const found = await turn()
  const time = performance.now() - start
  if (found !== sessions) throw new Error(`Found ${found} sessions instead of ${sessions}`)
  return time
}

function row({ others, rival }: Crowd, sessions: number, measured: Measured, ofFewest: number): Row {
  return {
    what: `${sessions} sessions beside ${others.toLocaleString('en-US')}`,
    ratio: measured.ratio,
    figures: {
      'of its time beside the fewest': factor(ofFewest),
      [`${rival.name}`]: ms(measured.baseline),
      'redis-user-sessions': ms(measured.ours),
    },
  }
}
