/** Sessions for the tests of the records. Each record names its owner and the time until which the index lists it. */

import { accessOn } from '../../src/redis/access.ts'
import { Keys } from '../../src/redis/keys.ts'
import type { IndexEntry, Records, Write } from '../../src/redis/records.ts'
import { defaultUserId, type UserIdOption } from '../../src/session/owner.ts'
import type { Scene } from './scene.ts'
import type { AnyClient } from './topologies.ts'

export interface State {
  /** Makes each record different. */
  n: number
  /** `null` for an anonymous session. */
  user: string | null
  /** ms since 1970: when it expires, and until when the index lists it. */
  until: number
}

export function recordOf({ n, user, until }: State): string {
  const cookie = { originalMaxAge: null, expires: null }
  if (user === null) return JSON.stringify({ cookie, n, until })
  return JSON.stringify({ cookie: { ...cookie, index: { until } }, userId: user, n })
}

/** The write that makes a session `s1` (from `null`), or changes it. */
export function writeOf(from: State | null, to: State): Write {
  return {
    ...{ sessionId: 's1', expected: from && recordOf(from), record: recordOf(to) },
    ...{ expiry: { at: to.until }, entry: entryOf(to), previous: entryOf(from) },
  }
}

function entryOf(state: State | null): IndexEntry | null {
  return state === null || state.user === null ? null : { owner: state.user, until: state.until }
}

export function recordsOf({ prefixes }: Scene, client: AnyClient): Records {
  return accessOn({
    ...{ client, keys: new Keys(prefixes.prefix, prefixes.userPrefix) },
    ...{ serializer: JSON, userId: defaultUserId as UserIdOption, ttl: 86_400, scanCount: 1000 },
    ...{ absoluteTtl: null, disableTouch: false },
  }).records
}
