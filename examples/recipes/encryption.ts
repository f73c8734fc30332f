/**
 * A serializer that encrypts session records with AES-256-GCM. Keys rotate: the first one encrypts, all of them decrypt, and
 * a record is encrypted with the new key when its session is next saved or touched. Drop an old key when the longest session
 * that it may have encrypted has ended.
 *
 * What stays readable in Redis: session ids and user ids (in keys and indexes), expiries, and how long records are. Whoever
 * can write to Redis can still exchange two records: a record does not say which session it is. The seven functions write and
 * read plain JSON; they cannot read these records.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { Serializer } from 'redis-user-sessions'

const ALGORITHM = 'aes-256-gcm'

/** `id` is stored with each record, without a dot; `secret` has 32 bytes. */
export type Key = { id: string; secret: Buffer }

export function encryptedSerializer(keys: [current: Key, ...old: Key[]]): Serializer {
  const [current] = keys

  return {
    stringify(session) {
      const iv = randomBytes(12)
      const cipher = createCipheriv(ALGORITHM, current.secret, iv)
      const text = Buffer.concat([cipher.update(JSON.stringify(session), 'utf8'), cipher.final()])
      const parts = [iv, cipher.getAuthTag(), text].map((part) => part.toString('base64url'))
      return [current.id, ...parts].join('.')
    },

    parse(record) {
      const [id, ...parts] = record.split('.')
      const key = keys.find((candidate) => candidate.id === id)
      if (!key) throw new Error('the record is encrypted with a key that is not here')
      const [iv, tag, text] = parts.map((part) => Buffer.from(part, 'base64url')) as [Buffer, Buffer, Buffer]
      const decipher = createDecipheriv(ALGORITHM, key.secret, iv, { authTagLength: 16 })
      decipher.setAuthTag(tag)
      return JSON.parse(Buffer.concat([decipher.update(text), decipher.final()]).toString('utf8'))
    },
  }
}
