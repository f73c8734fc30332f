/**
 * Paired rounds: both stores do the same work in turn on one server, and each round gives a ratio. Other load on the
 * machine affects both stores. A median of ratios ignores the rest.
 */
import type { BenchStore, Contender } from './contenders.ts'
import type { Done } from './operations.ts'
import { quantile, type Spread, spread } from './statistics.ts'

export interface RoundOptions {
  rounds: number
  /** In each round, for each store. */
  operations: number
  /** How many of them are under way at a time. */
  concurrency: number
  /** Before each turn of a store, untimed. */
  before?: (contender: Contender) => Promise<void>
}

/** The cost of one operation of each store in a round, in µs. */
export interface Costs {
  baseline: number
  ours: number
}

export interface Comparison {
  /** How many times as fast as the first store the second one is. */
  ratio: Spread
  /** The same of each store's fastest tenth of turns, which nothing else disturbed. */
  undisturbed: number
  /** Medians, in µs for each operation. */
  baseline: number
  ours: number
}

const WARM_UP_ROUNDS = 3

/** Does one operation of a store, number `n`. */
export type StoreOperation = (store: BenchStore, n: number, done: Done) => void

/** Runs an operation on both stores in turn, in this process. */
export function compare(
  [baseline, ours]: readonly [Contender, Contender],
  operation: StoreOperation,
  options: RoundOptions,
): Promise<Comparison> {
  const turnOf = (contender: Contender) => async () => {
    await options.before?.(contender)
    return timed(contender.store, operation, options)
  }
  return paired([turnOf(baseline), turnOf(ours)], options.rounds)
}

/** Runs turns, each of which resolves to the cost of one operation in µs. Each round, another store begins. */
export async function paired(
  [baseline, ours]: readonly [() => Promise<number>, () => Promise<number>],
  rounds: number,
): Promise<Comparison> {
  const costs: Costs[] = []
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    const baselineFirst = round % 2 === 0
    const early = await (baselineFirst ? baseline : ours)()
    const late = await (baselineFirst ? ours : baseline)()
    if (round >= 0)
      costs.push(baselineFirst ? { baseline: early, ours: late } : { baseline: late, ours: early })
  }
  return comparison(costs)
}

export function comparison(costs: readonly Costs[]): Comparison {
  const [theirs, ours] = [costs.map(({ baseline }) => baseline), costs.map(({ ours }) => ours)]
  return {
    ratio: spread(costs.map(({ baseline, ours }) => baseline / ours)),
    undisturbed: quantile(theirs, 0.1) / quantile(ours, 0.1),
    baseline: quantile(theirs, 0.5),
    ours: quantile(ours, 0.5),
  }
}

/** Resolves to the cost of one of many operations, in µs. */
export async function timed(
  store: BenchStore,
  operation: StoreOperation,
  { operations, concurrency }: Pick<RoundOptions, 'operations' | 'concurrency'>,
): Promise<number> {
  const start = performance.now()
  await drive((n, done) => operation(store, n, done), operations, concurrency)
  return ((performance.now() - start) * 1000) / operations
}

/** Runs an operation many times, so many at a time; rejects with the first error. */
export function drive(
  operation: (n: number, done: Done) => void,
  operations: number,
  concurrency: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let started = 0
    let finished = 0
    const done: Done = (error) => {
      if (error) return reject(error)
      finished += 1
      if (started < operations) operation(started++, done)
      else if (finished === operations) resolve()
    }
    while (started < Math.min(concurrency, operations)) operation(started++, done)
  })
}
