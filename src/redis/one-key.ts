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
  const { expected, record, expiry, isTouch } = write
  if (!('at' in expiry) || isTouch) return await runWrite(client, keys, write)
  const key = keys.session(write.sessionId)
  try {
    const written = await setIf(client, key, write, expiry.at)
    if (written === 'unknown')
      return outcome(await run(client, replaceScript, [key], [record, String(expiry.at), expected as string]))
    return written === null ? { done: false, current: textOf(await client.get(key)) } : { done: true }
  } catch (error) {
    throw namingTheKey(error, [key])
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

/** Resolves to `null` if the key holds another record, or to `'unknown'` if the server does not know `IFEQ`. */
async function setIf(
  client: SessionClient,
  key: string,
  { record, expected }: Write,
  expires: number,
): Promise<unknown> {
  const expiration = { type: 'PXAT', value: expires } as const
  const options: SetArguments =
    expected === null
      ? { expiration, condition: 'NX' }
      : { expiration, condition: 'IFEQ', matchValue: expected }
  if (expected !== null && (withoutIfeq.get(client) ?? 0) > Date.now()) return 'unknown'
  try {
    return await client.set(key, record, options as never)
  } catch (error) {
    if (expected === null || !hasPrefix(error, 'ERR syntax error')) throw error
    withoutIfeq.set(client, Date.now() + askAgainAfter)
    return 'unknown'
  }
}
