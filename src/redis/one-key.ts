/** Writes and removals that touch a session's key alone, and so are the same on one server and on Cluster. */
import type { SessionClient, SetArguments } from './clients/client.ts'
import type { Keys } from './keys.ts'
import type { Outcome, Write } from './records.ts'
import { outcome, writeArguments } from './replies.ts'
import { replaceScript } from './scripts/replace.ts'
import { hasPrefix, namingTheKey, run } from './scripts/script.ts'
import { touchScript, writeScript } from './scripts/write.ts'

/** For how long a server that does not know `SET … IFEQ` is not asked again, in ms: a failover may lead to a newer one. */
const askAgainAfter = 60_000

/** Until when each client's server is taken for one that does not know it. */
const withoutIfeq = new WeakMap<SessionClient, number>()

/** Writes a session and leaves the indexes as they are. */
export async function writeOneKey(client: SessionClient, keys: Keys, write: Write): Promise<Outcome> {
  const { expected, expiry, isTouch } = write
  if (!('at' in expiry) || isTouch) return runWrite(client, keys, write)
  try {
    if (expected === null) return await create(client, keys, write, expiry.at)
    return await replace(client, keys, write, expected, expiry.at)
  } catch (error) {
    throw namingTheKey(error, [keys.session(write.sessionId)])
  }
}

/** Deletes an anonymous session: it has no entry to remove with it. If somebody has signed in in it meanwhile, `deleted` tells. */
export async function deleteOneKey(client: SessionClient, keys: Keys, sessionId: string): Promise<Outcome> {
  const key = keys.session(sessionId)
  try {
    const deleted = await client.getDel(key)
    if (deleted === null || deleted === undefined) return { done: false, current: null }
    return { done: true, deleted: String(deleted) }
  } catch (error) {
    throw namingTheKey(error, [key])
  }
}

/** Runs the script that can do any write, on the session's key and on these indexes. */
export async function runWrite(
  client: SessionClient,
  keys: Keys,
  write: Write,
  indexes: string[] = [],
): Promise<Outcome> {
  const script = write.isTouch ? touchScript : writeScript
  const own = indexes.length === 0 ? { ...write, entry: null } : write
  return outcome(await run(client, script, [keys.session(write.sessionId), ...indexes], writeArguments(own)))
}

async function create(
  client: SessionClient,
  keys: Keys,
  { sessionId, record }: Write,
  expires: number,
): Promise<Outcome> {
  const key = keys.session(sessionId)
  const written = await client.set(key, record, {
    expiration: { type: 'PXAT', value: expires },
    condition: 'NX',
  } satisfies SetArguments as never)
  return written === null ? notWritten(client, key) : { done: true }
}

async function replace(
  client: SessionClient,
  keys: Keys,
  write: Write,
  expected: string,
  expires: number,
): Promise<Outcome> {
  const key = keys.session(write.sessionId)
  const written = await replaceIfEqual(client, key, write.record, expected, expires)
  if (written === 'unknown') {
    return outcome(await run(client, replaceScript, [key], [write.record, String(expires), expected]))
  }
  return written === null ? notWritten(client, key) : { done: true }
}

async function replaceIfEqual(
  client: SessionClient,
  key: string,
  record: string,
  expected: string,
  expires: number,
): Promise<unknown> {
  if ((withoutIfeq.get(client) ?? 0) > Date.now()) return 'unknown'
  try {
    return await client.set(key, record, {
      expiration: { type: 'PXAT', value: expires },
      condition: 'IFEQ',
      matchValue: expected,
    } satisfies SetArguments as never)
  } catch (error) {
    if (!hasPrefix(error, 'ERR syntax error')) throw error
    withoutIfeq.set(client, Date.now() + askAgainAfter)
    return 'unknown'
  }
}

/** Tells what is there instead of what was expected. */
async function notWritten(client: SessionClient, key: string): Promise<Outcome> {
  const current = await client.get(key)
  return { done: false, current: current === null || current === undefined ? null : String(current) }
}
