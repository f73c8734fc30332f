/**
 * The property `index` of a record's cookie. It tells how the user's index lists the session: until when, and for whom.
 * Apps never see it: it is added when a record is written, and taken off when one is read.
 */
import { cookieOf } from './cookie.ts'
import { ownExpiry } from './expiry.ts'
import { recordedUser } from './owner.ts'
import type { SessionRecord } from './record.ts'

export interface IndexNote {
  /** The score of the session's index entry, in ms since 1970. Nobody may load the session after it. */
  until?: number
  /** Whose the session is, if its data does not say the same; `null` for nobody's. */
  user?: string | null
}

/** Takes the note off parsed data; `null` if there is none. A cookie that held nothing else goes too. */
export function takeNote(data: SessionRecord): IndexNote | null {
  const cookie = cookieOf(data)
  if (cookie?.index === undefined) return null
  // To delete a property makes all that is done with the cookie later slow. A serializer may give cookies a class.
  const { index, ...rest } = cookie
  if (Object.keys(rest).length === 0) delete data.cookie
  else data.cookie = { __proto__: Object.getPrototypeOf(cookie), ...rest }
  return checkedNote(index)
}

function checkedNote(index: unknown): IndexNote | null {
  const { until, user } = Object(index) as { until?: unknown; user?: unknown }
  const note: IndexNote = {}
  if (isTime(until)) note.until = until
  if (user === null || (typeof user === 'string' && user !== '')) note.user = user
  return Object.keys(note).length === 0 ? null : note
}

/** Whole ms since 1970, and no more than a `Date` can tell: Redis takes no later expiry. */
function isTime(value: unknown): value is number {
  return Number.isInteger(value) && !Number.isNaN(new Date(value as number).getTime())
}

/** Data with the note that it needs in its record, if any. */
export function withNote(data: SessionRecord, owner: string | null, until: number | null): SessionRecord {
  const note = noteFor(data, owner, until)
  return note === null ? data : { ...data, cookie: { ...cookieOf(data), index: note } }
}

/** A record without a cookie, whose own `expires` and `userId` say it all, needs no note. */
function noteFor(data: SessionRecord, owner: string | null, until: number | null): IndexNote | null {
  const says = recordedUser(data)
  if (owner === null) return says === null ? null : { user: null }
  if (until === null) return says === owner ? null : { user: owner }
  if (says !== owner) return { until, user: owner }
  return cookieOf(data) === undefined && ownExpiry(data) === until ? null : { until }
}

/** Data without a note that somebody copied from a record: it must not rule the entry of another one. */
export function withoutNote(data: SessionRecord): SessionRecord {
  const cookie = cookieOf(data)
  if (cookie?.index === undefined) return data
  const { index: _, ...rest } = cookie
  return { ...data, cookie: rest }
}
