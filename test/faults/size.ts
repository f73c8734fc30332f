/** The faults of `npm test` are few and short. `npm run test:faults` runs all of them. */
export const full = process.env.TEST_FAULTS === 'full'

/** A test of `npm run test:faults` only, which `npm test` does not have, rather than skip it. */
export const inFull: (title: string, test: Mocha.AsyncFunc) => void = full ? it : () => {}

/** Prints measured figures. No assertion depends on them. */
export function figures(what: string, measured: Record<string, number>): void {
  const words = Object.entries(measured).map(([name, value]) => `${name} ${Math.round(value * 10) / 10}`)
  process.stdout.write(`        ${what}: ${words.join(', ')}\n`)
}
