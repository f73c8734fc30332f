/** When a cookie expires, as JSON has a `Date` of the years 0 to 9999: all of them are equally long. */
const timestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/** A record up to that, where JSON.stringify put the cookie at its head: an object without objects in it. */
const cookieHead = /^(\{"cookie":\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*?"expires":")([^"]*)"/

/** A JSON record whose cookie expires at another time, and which is as long as before. */
export interface Splice {
  raw: string
  /** How the record began, and how it begins now: as many bytes. */
  from: string
  to: string
}

/**
 * `null` where there is no cookie at the head, where it or `expires` is not such a time, or where it does not tell its
 * `originalMaxAge` before: whoever expects the record to begin so must see that another one has changed that.
 */
export function spliceExpires(raw: string, expires: string): Splice | null {
  const [from, before, old] = cookieHead.exec(raw) ?? []
  if (from === undefined || !timestamp.test(old as string) || !timestamp.test(expires)) return null
  if (!from.includes('"originalMaxAge":')) return null
  const to = `${before}${expires}"`
  return { raw: to + raw.slice(from.length), from, to }
}
