/** The result of a benchmark: rows of measured figures. This file sets no expected values. */
import type { Builds } from './contenders.ts'
import type { Environment } from './environment.ts'
import type { Spread } from './statistics.ts'

export interface Benchmark {
  /** A sentence for the head of the table: what is measured, and how. */
  about: string
  run(context: Context): Promise<Row[]>
}

export interface Context extends Builds {
  /** Of paired measurements; each benchmark scales its own from it. */
  rounds: number
  /** Few and small: to see that it runs, not to learn anything. */
  quick: boolean
  concurrency: number
  say(progress: string): void
}

export interface Row {
  what: string
  /** How many times as fast as the baseline. It is missing if the row is no comparison or could not be measured. */
  ratio?: Spread
  /** Further columns. */
  figures: Record<string, Figure>
}

/** The measurements of one benchmark in one environment. */
export interface Result {
  name: string
  about: string
  environment: Environment
  rows: Row[]
}

export type Figure = string | Quantity | Ratio

/** An absolute figure of the machine at hand. */
export interface Quantity {
  value: number
  unit: 'µs' | 'ms' | 's' | 'B' | 'MiB' | '/s' | 'x' | ''
}

/** A ratio with its spread. */
export interface Ratio {
  times: Spread
}

export const us = (value: number): Quantity => ({ value, unit: 'µs' })
/** A ratio of which there is no spread. */
export const factor = (value: number): Quantity => ({ value, unit: 'x' })
export const ms = (value: number): Quantity => ({ value, unit: 'ms' })
export const bytes = (value: number): Quantity => ({ value, unit: 'B' })
export const mebibytes = (value: number): Quantity => ({ value: value / 2 ** 20, unit: 'MiB' })
export const perSecond = (value: number): Quantity => ({ value, unit: '/s' })
export const count = (value: number): Quantity => ({ value, unit: '' })
export const times = (spread: Spread): Ratio => ({ times: spread })
