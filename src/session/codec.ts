import { constants } from 'node:os'
import { cookieExpiry, cookieOf } from './cookie.ts'
import { badArgument, CorruptSessionError } from './errors.ts'
import type { SessionRecord } from './record.ts'

/** Turns session data into the string that Redis holds, and back. Either method may return a promise. */
export interface Serializer {
  parse(text: string): unknown
  stringify(session: unknown): string | Promise<string>
}

/** Session data of a record, with the cookie's expiry in ms since 1970; `null` if it has none. */
export interface ParsedRecord {
  data: SessionRecord
  cookieExpires: number | null
}

/**
 * Parses a raw record into session data. Returns a promise if the serializer returns one.
 *
 * Throws a `CorruptSessionError` that names `key` if the record is not session data. A serializer can also fail while the
 * record is fine, for example because its key file is missing, or its key service is down. Then its own error passes
 * through. Of a synchronous serializer, only errors of the system count as such.
 */
export function parseRecord(
  serializer: Serializer,
  raw: string,
  key: string,
): ParsedRecord | Promise<ParsedRecord> {
  let data: unknown
  try {
    data = serializer.parse(raw)
  } catch (error) {
    throw isOfSystem(error) ? error : unparsable(key, error)
  }
  if (!isPromise(data)) return checkedRecord(data, key)
  return Promise.resolve(data).then(
    (parsed) => checkedRecord(parsed, key),
    (error) => {
      throw blamesRecord(error) ? unparsable(key, error) : error
    },
  )
}

/** Whether the operating system gave the error, such as `ENOENT` or `ETIMEDOUT`. */
function isOfSystem(error: unknown): boolean {
  const { code, syscall } = Object(error) as { code?: unknown; syscall?: unknown }
  return typeof syscall === 'string' || (typeof code === 'string' && code in constants.errno)
}

/** `JSON.parse`, decryption and decompression fail with these errors if the text itself is wrong. */
function blamesRecord(error: unknown): boolean {
  const { name, code, message } = Object(error) as { name?: unknown; code?: unknown; message?: unknown }
  if (name === 'SyntaxError' || name === 'OperationError' || code === 'SESSION_CORRUPT') return true
  return message === wrongTag || codesOfData.test(String(code))
}

/** The message of node:crypto's error, which has no code. */
const wrongTag = 'Unsupported state or unable to authenticate data'

/** Error codes of node:crypto and node:zlib. */
const codesOfData =
  /^(ERR_OSSL_|ERR_CRYPTO_INVALID_(IV|AUTH_TAG)$|Z_(DATA|BUF)_ERROR$|ERR__ERROR_FORMAT|ZSTD_error_)/

/** A promise may come from another library or realm. Test runners, for example, give tests globals of their own. */
function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === 'function'
}

function unparsable(key: string, error: unknown): CorruptSessionError {
  return new CorruptSessionError(key, 'cannot be parsed as session data', error)
}

function checkedRecord(data: unknown, key: string): ParsedRecord {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw new CorruptSessionError(key, 'is not session data')
  }
  return { data: data as SessionRecord, cookieExpires: checkedExpiry(data as SessionRecord, key) }
}

/** express-session throws on an invalid cookie when the response ends. The app cannot catch that error. */
function checkedExpiry(data: SessionRecord, key: string): number | null {
  if (!isMaxAge(cookieOf(data)?.originalMaxAge)) {
    throw new CorruptSessionError(key, 'has a cookie without a sensible originalMaxAge')
  }
  try {
    return cookieExpiry(data)
  } catch (error) {
    throw new CorruptSessionError(key, 'has a cookie without a sensible expiry', error)
  }
}

function isMaxAge(value: unknown): boolean {
  return !value || (typeof value === 'number' && Math.abs(value) <= longestMaxAge)
}

/** In ms. A `Date` that far from now can still be told. */
const longestMaxAge = 8e15

/**
 * Turns session data into a raw record. Returns a promise if the serializer returns one.
 *
 * Throws a `TypeError` if the data cannot be serialized. An asynchronous serializer can also fail for another reason,
 * for example because its key service is down. Then its own error passes through.
 */
export function stringifyRecord(serializer: Serializer, data: object): string | Promise<string> {
  const maxAge = cookieOf(data as SessionRecord)?.originalMaxAge
  if (!isMaxAge(maxAge)) throw badArgument('session.cookie.originalMaxAge', 'a number of ms or null', maxAge)
  let record: unknown
  try {
    record = serializer.stringify(data)
  } catch (error) {
    throw (
      errorOfJson(error) ?? new TypeError(`${unserializable} an error of the serializer`, { cause: error })
    )
  }
  if (!isPromise(record)) return checkedRaw(record)
  return Promise.resolve(record).then(checkedRaw, (error) => {
    throw errorOfJson(error) ?? error
  })
}

const unserializable = 'session data must be serializable, got'

/**
 * The errors of `JSON.stringify` quote property names of the data, so they get other words. Any other error is the
 * app's own.
 */
function errorOfJson(error: unknown): TypeError | undefined {
  const message = error instanceof Error ? error.message : ''
  const reason = jsonReasons.find(([beginning]) => message.startsWith(beginning))?.[1]
  return reason === undefined ? undefined : new TypeError(`${unserializable} ${reason}`)
}

const jsonReasons: [beginning: string, reason: string][] = [
  ['Converting circular structure', 'an object that refers to itself'],
  ['Do not know how to serialize a BigInt', 'an object with a bigint in it'],
  ['Maximum call stack size exceeded', 'an object that is nested too deep'],
]

function checkedRaw(record: unknown): string {
  if (typeof record !== 'string') throw badArgument('serializer.stringify(session)', 'a string', record)
  return record
}
