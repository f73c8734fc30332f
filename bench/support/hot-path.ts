/** One operation on a stored session, for each record size: the common part of the benchmarks get, save and touch. */
import { startChild } from './child.ts'
import { type BenchStore, type Contender, contenders } from './contenders.ts'
import { type Operation, type OperationName, onStored } from './operations.ts'
import { type Context, factor, type Row, times, us } from './result.ts'
import { type Comparison, compare, drive, paired, type StoreOperation } from './rounds.ts'
import { type BenchServer, withServer } from './server.ts'
import { RECORD_SIZES, sessionData, sessionIdOf, visited } from './sessions.ts'
import type { Start, Turn } from './store-process.ts'

export const SESSIONS = 1000
const SESSIONS_OF_ONE_USER = 5
/** In each turn. */
const OPERATIONS = 120
const OPERATIONS_ON_LARGE = 40

export async function onStoredSessions(operation: OperationName, context: Context): Promise<Row[]> {
  const rows: Row[] = []
  for (const size of RECORD_SIZES) {
    const turn: Turn & { operation: OperationName } = {
      operation,
      operations: size > 10_000 ? OPERATIONS_ON_LARGE : OPERATIONS,
      concurrency: context.concurrency,
    }
    rows.push(await withServer((server) => atSize(size, server, turn, context)))
  }
  return rows
}

async function atSize(
  size: number,
  server: BenchServer,
  turn: Turn & { operation: OperationName },
  context: Context,
): Promise<Row> {
  const pair = await contenders(server.client, context)
  for (const { store } of pair) await fill(store, size)
  const what = `records of ${size} B`
  const row = await storedRow(what, pair, onStored[turn.operation], context, turn.operations)
  return withApart(row, size, server.url, turn, context)
}

/** A row with the ratio of the same turn in processes of their own. */
export async function withApart(row: Row, ...args: Parameters<typeof apart>): Promise<Row> {
  const { ratio } = await apart(...args)
  return { ...row, figures: { 'in processes of their own': times(ratio), ...row.figures } }
}

/** One operation on the sessions that `fill` stored. */
export async function storedRow(
  what: string,
  pair: readonly [Contender, Contender],
  operation: Operation,
  { rounds, concurrency }: Context,
  operations = OPERATIONS,
): Promise<Row> {
  const options = { rounds, operations, concurrency }
  return comparisonRow(what, pair, await compare(pair, onStoredSession(operation), options))
}

/** In a process of its own, a turn is that many times as long. V8 then has optimized both stores before the first round. */
const LONGER = 100

/** In processes of their own, there are that many times fewer rounds. */
const FEWER = 10

/**
 * The same with each store in its own process, as in real apps. Then the timers and the garbage of one store cost the
 * other no time. A turn is so long that the timers and the garbage of its own operations fall into it, as under load.
 */
async function apart(size: number, url: string, turn: Turn, context: Context): Promise<Comparison> {
  const { build, against, rounds } = context
  const module = new URL('./store-process.ts', import.meta.url)
  const [baseline, ours] = [startChild(module), startChild(module)]
  try {
    const start: Omit<Start, 'which'> = { url, builds: { build, against }, size }
    await baseline.ask({ start: { ...start, which: 'baseline' } })
    await ours.ask({ start: { ...start, which: 'ours' } })
    const long = { ...turn, operations: turn.operations * LONGER }
    const turnOf = (child: typeof ours) => async () =>
      (await child.ask<{ cost: number }>({ turn: long })).cost
    return await paired([turnOf(baseline), turnOf(ours)], Math.ceil(rounds / FEWER))
  } finally {
    await Promise.all([baseline.stop(), ours.stop()])
  }
}

export function onStoredSession(operation: Operation): StoreOperation {
  return (store, n, done) => operation(store, sessionIdOf(visited(n, SESSIONS)), done)
}

export async function fill(store: BenchStore, size: number): Promise<void> {
  const save = (n: number, done: (error?: unknown) => void) =>
    store.set(sessionIdOf(n), sessionData(ownerOf(n), size), done)
  await drive(save, SESSIONS, 100)
}

/** Returns the owner of the session with this number. */
export function ownerOf(n: number): string {
  return `user-${Math.floor(n / SESSIONS_OF_ONE_USER)}`
}

export function comparisonRow(
  what: string,
  [baseline, ours]: readonly [Contender, Contender],
  result: Comparison,
): Row {
  return {
    what,
    ratio: result.ratio,
    figures: {
      'fastest tenth': factor(result.undisturbed),
      [`${baseline.name}, one`]: us(result.baseline),
      [`${ours.name}, one`]: us(result.ours),
    },
  }
}
