/** The sessions that the benchmarks store: like those of an Express app, and of about the given size. */
import type { SessionData } from 'express-session'

export const DAY_MS = 86_400_000

/**
 * Bytes of a record as JSON: a signed-in visitor, a visitor with a full cart, and a session that an app misuses as a
 * cache.
 */
export const RECORD_SIZES = [300, 2_000, 20_000]

export type BenchData = SessionData & { userId?: string; views?: number }

/** Session ids as express-session makes them, 32 characters, but the same in every run. */
export function sessionIdOf(n: number): string {
  return `${String(n).padStart(8, '0')}aZ9bY8cX7dW6eV5fU4gT3hS2`
}

/**
 * Returns the next session in an order that spreads the sessions of one user, as in real use. Their numbers follow one
 * another.
 */
export function visited(n: number, sessions: number): number {
  return (n * STRIDE) % sessions
}

/** Has no divisor in common with any number of sessions here. */
const STRIDE = 37

/** Data of a signed-in user. Its JSON has about `bytes` characters, or more if the minimum is longer. */
export function sessionData(userId: string | undefined, bytes = 0): BenchData {
  const cookie = {
    originalMaxAge: DAY_MS,
    expires: new Date(Date.now() + DAY_MS),
    httpOnly: true,
    path: '/',
    sameSite: 'lax' as const,
  }
  const userAgent = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
  const data = { cookie, ...(userId === undefined ? {} : { userId }), views: 1, userAgent }
  const missing = bytes - JSON.stringify(data).length
  return (missing > 40 ? { ...data, cart: cartOf(missing) } : data) as unknown as BenchData
}

function cartOf(bytes: number): object[] {
  const item = (n: number) => ({ sku: `sku-${n}`, name: 'Enamel mug, blue', quantity: 1, price: 12.5 })
  const length = Math.ceil(bytes / (JSON.stringify(item(100)).length + 1))
  return Array.from({ length }, (_, n) => item(n))
}
