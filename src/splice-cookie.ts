/** The cookie at the head of a record, where JSON.stringify puts it: an object without objects in it. */
const cookieHead = /^\{"cookie":\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\}/

/** A JSON record with another cookie at its head, which is as long as the old one. */
export interface Splice {
  raw: string
  /** How the record began, and how it begins now: as many bytes. */
  from: string
  to: string
}

/** `null` where there is no cookie at the head, or one of another length. */
export function spliceCookie(raw: string, cookie: string): Splice | null {
  const from = cookieHead.exec(raw)?.[0]
  if (from === undefined) return null
  const to = `{"cookie":${cookie}`
  if (Buffer.byteLength(to) !== Buffer.byteLength(from)) return null
  return { raw: to + raw.slice(from.length), from, to }
}
