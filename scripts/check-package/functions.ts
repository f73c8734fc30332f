// The functions, in a project with neither express-session nor its types.
import {
  createSession,
  readSession,
  type SessionClient,
  SessionUserError,
} from 'redis-user-sessions/functions'

export async function use(client: SessionClient): Promise<string | undefined> {
  const data = { userId: 'eva', expires: new Date().toISOString(), role: 'admin' }
  const sessionId = await createSession({ client, prefix: undefined, data })
  return (await readSession<{ role: string }>({ client, sessionId }))?.role
}

export function handleIn(error: unknown): string | null {
  return error instanceof SessionUserError ? error.handle : null
}
