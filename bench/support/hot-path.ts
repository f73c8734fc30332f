/** One operation on a stored session, at each record size: the body of the benchmarks get, save and touch. */
import { type BenchStore, type Contender, contenders } from './contenders.ts'
import type { Operation } from './operations.ts'
import { type Context, factor, type Row, us } from './result.ts'
import { type Comparison, compare, drive } from './rounds.ts'
import { withServer } from './server.ts'
import { RECORD_SIZES, sessionData, sessionIdOf, visited } from './sessions.ts'

export const SESSIONS = 1000
const SESSIONS_OF_ONE_USER = 5

export async function onStoredSessions(operation: Operation, context: Context): Promise<Row[]> {
  const rows: Row[] = []
  for (const size of RECORD_SIZES) {
    rows.push(await withServer(({ client }) => atSize(size, client, operation, context)))
  }
  return rows
}

async function atSize(
  size: number,
  client: Parameters<typeof contenders>[0],
  operation: Operation,
  context: Context,
): Promise<Row> {
  const pair = await contenders(client, context)
  for (const { store } of pair) await fill(store, size)
  return storedRow(`records of ${size} B`, pair, operation, context, size > 10_000 ? 40 : 120)
}

/** One operation on the sessions that `fill` stored. */
export async function storedRow(
  what: string,
  pair: readonly [Contender, Contender],
  operation: Operation,
  { rounds, concurrency }: Context,
  operations: number,
): Promise<Row> {
  const result = await compare(
    pair,
    (store, n, done) => operation(store, sessionIdOf(visited(n, SESSIONS)), done),
    {
      rounds,
      operations,
      concurrency,
    },
  )
  return comparisonRow(what, pair, result)
}

export async function fill(store: BenchStore, size: number): Promise<void> {
  const save = (n: number, done: (error?: unknown) => void) =>
    store.set(sessionIdOf(n), sessionData(ownerOf(n), size), done)
  await drive(save, SESSIONS, 100)
}

/** Whose the session of this number is. */
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
