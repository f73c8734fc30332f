import type { Client, Contender } from './support/contenders.ts'
import { contenders } from './support/contenders.ts'
import { type Benchmark, bytes, type Row } from './support/result.ts'
import { drive } from './support/rounds.ts'
import { info, withServer } from './support/server.ts'
import { sessionData, sessionIdOf } from './support/sessions.ts'

const SESSIONS = 100_000
const QUICK_SESSIONS = 2_000
const SESSIONS_OF_ONE_USER = [1, 5, 20]

export const benchmark: Benchmark = {
  about:
    "Redis memory of a session of 300 B, by the growth of `used_memory`, and what the users' indexes take of it, by " +
    '`MEMORY USAGE`. Sessions are written through the stores.',
  run: (context) =>
    withServer(async ({ client }) => {
      const [theirs, ours] = await contenders(client, context)
      const many = context.quick ? QUICK_SESSIONS : SESSIONS
      const plain = await perSession(client, theirs, many, 1)
      const rows: Row[] = [{ what: theirs.name, figures: { 'a session': bytes(plain.whole) } }]
      for (const each of SESSIONS_OF_ONE_USER) {
        const { whole, index } = await perSession(client, ours, many, each)
        rows.push({
          what: `${ours.name}, ${each} sessions a user`,
          figures: {
            'a session': bytes(whole),
            'more than connect-redis': bytes(whole - plain.whole),
            'an index entry': bytes(index),
          },
        })
      }
      return rows
    }),
}

/** Bytes: of everything, and of the index, for each session. */
async function perSession(
  client: Client,
  { store }: Contender,
  many: number,
  each: number,
): Promise<{ whole: number; index: number }> {
  // Each measurement starts with an empty database. Otherwise the table of keys would grow at other moments.
  await client.flushDb()
  const before = await usedMemory(client)
  const save = (n: number, done: (error?: unknown) => void) =>
    store.set(sessionIdOf(n), sessionData(`user-${String(Math.floor(n / each)).padStart(8, '0')}`, 300), done)
  await drive(save, many, 100)
  const whole = ((await usedMemory(client)) - before) / many
  return { whole, index: (await indexMemory(client)) / many }
}

async function usedMemory(client: Client): Promise<number> {
  return Number((await info(client, 'memory')).used_memory_dataset)
}

async function indexMemory(client: Client): Promise<number> {
  let total = 0
  for await (const keys of client.scanIterator({ MATCH: 'user:*', COUNT: 1000 })) {
    const sizes = await Promise.all(keys.map((key) => client.memoryUsage(key)))
    for (const size of sizes) total += size ?? 0
  }
  return total
}
