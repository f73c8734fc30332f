import { isCluster } from './client.ts'

/**
 * Resolves to the number of the client's database. This function asks Redis, because `select` changes the database and
 * most clients do not show it. Without permission to ask (ACL rule `+client|info`), the client's options decide. The
 * default is 0.
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

/** The methods of node-redis and ioredis that ask Redis. */
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

/** Whether the client may not ask, or the server does not know the command. */
function isRefused(error: unknown): boolean {
  return error instanceof Error && /^(NOPERM|ERR)\b/.test(error.message)
}
