/** The cookie at the head of a record, where JSON.stringify puts it: an object without objects in it. */
const cookieHead = /^\{"cookie":\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\}/

/** A record that goes on as another one does. */
export interface Splice {
  /** What it begins with. */
  head: string
  /** From which byte on, counted from 1, the other one follows. */
  from: number
}

/** How a JSON record begins with another cookie (as JSON), and where the rest follows; `null` where the cookie is not at its head. */
export function spliceCookie(raw: string, cookie: string): { raw: string; splice: Splice } | null {
  const old = cookieHead.exec(raw)?.[0]
  if (old === undefined) return null
  const head = `{"cookie":${cookie}`
  return { raw: head + raw.slice(old.length), splice: { head, from: Buffer.byteLength(old) + 1 } }
}
