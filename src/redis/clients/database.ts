import { isCluster } from './client.ts'

/**
 * The number of the database in which a client works. Redis is asked, because `select` changes it and most clients hide it. A client
 * that may not ask (the ACL rule `+client|info`) works in the database that its options name, else in 0.
 */
export async function databaseOf(client: object): Promise<number> {
  if (isCluster(client)) return 0
  const { given = client } = client as { given?: object }
  try {
    return await askedDatabase(given)
  } catch (error) {
    if (isRefused(error)) return configuredDatabase(given)
    throw error
  }
}

/** The methods by which node-redis and ioredis ask. */
interface AskingClient {
  clientInfo?(): Promise<{ db: unknown }>
  call?(command: string, args: string[]): Promise<unknown>
}

async function askedDatabase(client: AskingClient): Promise<number> {
  if (typeof client.clientInfo === 'function') return Number((await client.clientInfo()).db)
  if (typeof client.call !== 'function') return configuredDatabase(client)
  const info = String(await client.call('CLIENT', ['INFO']))
  return Number(/\bdb=(\d+)/.exec(info)?.[1] ?? 0)
}

function configuredDatabase(client: object): number {
  const { options } = client as { options?: { database?: unknown; db?: unknown } }
  return Number(options?.database ?? options?.db ?? 0)
}

/** No right to ask, or a server that does not know the command. */
function isRefused(error: unknown): boolean {
  return error instanceof Error && /^(NOPERM|ERR)\b/.test(error.message)
}
