/** One operation on a stored session, at each record size: the body of the benchmarks get, save and touch. */
import { type Contender, contenders } from './contenders.ts'
import type { Operation } from './operations.ts'
import { type Context, factor, type Row, us } from './result.ts'
import { type Comparison, compare, drive } from './rounds.ts'
import { withServer } from './server.ts'
import { RECORD_SIZES, sessionData, sessionIdOf, visited } from './sessions.ts'

const SESSIONS = 1000
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
  const { rounds, concurrency } = context
  const pair = await contenders(client, context)
  for (const contender of pair) await fill(contender, size)
  const operations = size > 10_000 ? 40 : 120
  const result = await compare(
    pair,
    (store, n, done) => operation(store, sessionIdOf(visited(n, SESSIONS)), done),
    {
      rounds,
      operations,
      concurrency,
    },
  )
  return comparisonRow(`records of ${size} B`, pair, result)
}

async function fill({ store }: Contender, size: number): Promise<void> {
  const save = (n: number, done: (error?: unknown) => void) => {
    const userId = `user-${Math.floor(n / SESSIONS_OF_ONE_USER)}`
    store.set(sessionIdOf(n), sessionData(userId, size), done)
  }
  await drive(save, SESSIONS, 100)
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
