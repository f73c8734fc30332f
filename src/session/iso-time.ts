/** Times as ISO 8601 text, such as `2026-11-27T09:30:00.000Z`. */

/** In ms since 1970: the last moment that a `Date` can hold. */
const lastTime = 8.64e15

/** The last second that was formatted, in s since 1970, and its text up to the point before the milliseconds. */
let second = Number.NaN
let upToSecond = ''

/**
 * Returns the same text as `toISOString`, and throws the same `RangeError`. Most sessions that are loaded within one
 * second end within one second. So the text of the last second is kept: that is 5 % of a load on Node 24.
 */
export function isoTime(msSince1970: number): string {
  const ms = Math.trunc(msSince1970)
  const seconds = Math.floor(ms / 1000)
  if (seconds !== second || ms > lastTime) {
    upToSecond = new Date(ms).toISOString().slice(0, -'000Z'.length)
    second = seconds
  }
  const rest = ms - seconds * 1000
  return `${upToSecond}${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}Z`
}
