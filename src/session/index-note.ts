/**
 * The note: the property `index` of a record's cookie. It tells until when, and for which user, the index lists the
 * session. Apps never see the note. A write adds it to the record, and a read takes it off.
 */
import { cookieOf } from './cookie.ts'
import { ownExpiry } from './expiry.ts'
import { recordedUser } from './owner.ts'
import type { SessionRecord } from './record.ts'

export interface IndexNote {
  /** The score of the session's index entry, in ms since 1970. Nobody can load the session after that time. */
  until?: number
  /** The owner, if the data does not name the same user. `null` means that the session is anonymous. */
  user?: string | null
}

/**
 * Takes the note off parsed data and returns it, or `null` if there is none. A cookie without other properties is
 * removed.
 */
export function takeNote(data: SessionRecord): IndexNote | null {
  const cookie = cookieOf(data)
  if (cookie?.index === undefined) return null
  // Deleting a property would make later work with the cookie slow. The prototype stays: a serializer may give cookies
  // a class.
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

/** Whole ms since 1970, within the range of `Date`. Redis accepts no later expiry. */
function isTime(value: unknown): value is number {
  return Number.isInteger(value) && !Number.isNaN(new Date(value as number).getTime())
}

/** Returns the data with the note that its record needs, if it needs one. `entry` is `null` for an anonymous session. */
export function withNote(data: SessionRecord, entry: Entry | null): SessionRecord {
  const note = noteFor(data, entry)
  return note === null ? data : { ...data, cookie: { ...cookieOf(data), index: note } }
}

/** The entry in the index of a session's owner, with its score in ms since 1970. */
export interface Entry {
  owner: string
  until: number
}

/** A record without a cookie needs no note if its own `expires` and `userId` already tell everything. */
function noteFor(data: SessionRecord, entry: Entry | null): IndexNote | null {
  const says = recordedUser(data)
  if (entry === null) return says === null ? null : { user: null }
  const { owner, until } = entry
  if (says !== owner) return { until, user: owner }
  return cookieOf(data) === undefined && ownExpiry(data) === until ? null : { until }
}

/** Removes a note that the app copied from another record. Such a note must not change this session's entry. */
export function withoutNote(data: SessionRecord): SessionRecord {
  const cookie = cookieOf(data)
  if (cookie?.index === undefined) return data
  const { index: _, ...rest } = cookie
  return { ...data, cookie: rest }
}
