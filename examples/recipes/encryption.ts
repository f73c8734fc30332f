/**
 * A serializer that encrypts session records with AES-256-GCM. The first key encrypts, all of them decrypt. A record moves to
 * the first key when its session is next saved.
 *
 * Redis still shows session ids and user ids (in keys and indexes), expiries, and how long a record is. Whoever can write to
 * Redis can exchange two records: a record does not say which session it is. The seven functions write and read plain JSON,
 * so they cannot read these records.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { Serializer } from 'redis-user-sessions'

const ALGORITHM = 'aes-256-gcm'

/** `id` is stored with each record and has no dot. `secret` has 32 bytes. */
export type Key = { id: string; secret: Buffer }

export type EncryptionOptions = {
  /** Also reads plain JSON. Only while you roll encryption out: it lets whoever can write to Redis make sessions up. */
  readPlain?: boolean
  /** Writes plain JSON. Only for the first step of a roll-out, and to roll back. */
  writePlain?: boolean
}

export function encryptedSerializer(
  keys: [current: Key, ...old: Key[]],
  { readPlain = false, writePlain = false }: EncryptionOptions = {},
): Serializer {
  return {
    stringify: (session) => {
      const json = JSON.stringify(session)
      return writePlain ? json : encrypt(json, keys[0])
    },
    parse: (record) => JSON.parse(readPlain && isPlain(record) ? record : decrypt(record, keys)),
  }
}

/** A plain record is a JSON object. An encrypted one begins with the id of its key. */
const isPlain = (record: string) => record.startsWith('{')

function encrypt(text: string, { id, secret }: Key): string {
  const iv = randomBytes(12)
  const cipher = createCipheriv(ALGORITHM, secret, iv)
  const encrypted = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  const parts = [iv, cipher.getAuthTag(), encrypted].map((part) => part.toString('base64url'))
  return [id, ...parts].join('.')
}

/** A `SyntaxError` tells the store that the record is corrupt. Let other errors pass: a key service that is away, for instance. */
function decrypt(record: string, keys: Key[]): string {
  const [id, ...parts] = record.split('.')
  const key = keys.find((candidate) => candidate.id === id)
  if (!key) throw new SyntaxError('The record is not encrypted with a key of this process')
  const [iv, tag, encrypted] = parts.map((part) => Buffer.from(part, 'base64url'))
  if (iv?.length !== 12 || tag?.length !== 16 || !encrypted) throw new SyntaxError('The record is incomplete')
  const decipher = createDecipheriv(ALGORITHM, key.secret, iv)
  decipher.setAuthTag(tag)
  try {
    return Buffer.concat([decipher.update(encrypted), decipher.final()]).toString('utf8')
  } catch {
    throw new SyntaxError('The record was changed, or is encrypted with another key of this id')
  }
}
