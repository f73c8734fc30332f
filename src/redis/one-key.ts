/** Writes and removals that change only a session's key. They are the same on one server and on Redis Cluster. */
import type { SessionClient, SetArguments } from './clients/client.ts'
import type { Keys } from './keys.ts'
import type { Outcome, Write } from './records.ts'
import { outcome, textOf, writeArguments } from './replies.ts'
import { replaceScript } from './scripts/replace.ts'
import { hasPrefix, namingTheKey, run } from './scripts/script.ts'
import { touchScript, writeScript } from './scripts/write.ts'

/** In ms. A server without `SET … IFEQ` is asked again after this time, because a failover may bring a newer server. */
const askAgainAfter = 60_000

/** The time until which each client's server counts as one without `SET … IFEQ`. */
const withoutIfeq = new WeakMap<SessionClient, number>()

/** Writes a session without changing an index. */
export async function writeOneKey(client: SessionClient, keys: Keys, write: Write): Promise<Outcome> {
  const { expected, expiry, isTouch } = write
  if (!('at' in expiry) || isTouch) return await runWrite(client, keys, write)
  try {
    if (expected === null) return await create(client, keys, write, expiry.at)
    return await replace(client, keys, write, expected, expiry.at)
  } catch (error) {
    throw namingTheKey(error, [keys.session(write.sessionId)])
  }
}

/**
 * Deletes an anonymous session, which has no index entry. `deleted` is the record that was deleted: a user may have
 * signed in to the session meanwhile.
 */
export async function deleteOneKey(client: SessionClient, keys: Keys, sessionId: string): Promise<Outcome> {
  const key = keys.session(sessionId)
  try {
    const deleted = textOf(await client.getDel(key))
    return deleted === null ? { done: false, current: null } : { done: true, deleted }
  } catch (error) {
    throw namingTheKey(error, [key])
  }
}

/** Runs the script that can do any write, on the session's key and the given indexes. */
export async function runWrite(
  client: SessionClient,
  keys: Keys,
  write: Write,
  indexes: string[] = [],
): Promise<Outcome> {
  const script = write.isTouch ? touchScript : writeScript
  const own = indexes.length === 0 ? { ...write, entry: null } : write
  const reply = await run(client, script, [keys.session(write.sessionId), ...indexes], writeArguments(own))
  return doneBefore(write, outcome(reply))
}

/**
 * A client may send a command again by itself after its answer was lost. If the write was done the first time, the
 * second answer is the record of this very write.
 */
function doneBefore({ record, expected }: Write, result: Outcome): Outcome {
  return !result.done && result.current === record && record !== expected ? { done: true } : result
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

/** Reads what the key holds instead of the expected record. */
async function notWritten(client: SessionClient, key: string): Promise<Outcome> {
  return { done: false, current: textOf(await client.get(key)) }
}
