/** Compiled, never run: the seven functions' arguments and results. */
import {
  createSession,
  deleteSession,
  deleteUserSessions,
  getUserSessions,
  readSession,
  type SessionClient,
  type UserSessionData,
  updateSession,
  updateUserSessions,
} from '../../src/index.ts'
import { sameType } from './equal.ts'

interface Own {
  role: 'user' | 'admin'
  cart: string[]
}
const data = { userId: 'eva', expires: '2999-01-01T00:00:00Z' }

export async function results(client: SessionClient): Promise<void> {
  const id = await createSession({ client, data })
  sameType<typeof id, string>(true)

  const read = await readSession({ client, sessionId: id })
  sameType<typeof read, (UserSessionData & Record<string, unknown>) | null>(true)
  sameType<NonNullable<typeof read>['userId'], string>(true)
  sameType<NonNullable<typeof read>['expires'], string>(true)
  sameType<NonNullable<typeof read>['whatever'], unknown>(true)

  const own = await readSession<Own>({ client, sessionId: id })
  sameType<typeof own, (UserSessionData & Own) | null>(true)
  sameType<NonNullable<typeof own>['role'], 'user' | 'admin'>(true)

  const listed = await getUserSessions({ client, userId: 'eva' })
  sameType<typeof listed, { sessionId: string; data: UserSessionData & Record<string, unknown> }[]>(true)
  const ownListed = await getUserSessions<Own>({ client, userId: 'eva' })
  sameType<(typeof ownListed)[number]['data']['cart'], string[]>(true)

  sameType<Awaited<ReturnType<typeof updateSession>>, void>(true)
  sameType<Awaited<ReturnType<typeof deleteSession>>, void>(true)
  sameType<Awaited<ReturnType<typeof updateUserSessions>>, void>(true)
  sameType<Awaited<ReturnType<typeof deleteUserSessions>>, void>(true)
}

export async function goodArguments(client: SessionClient): Promise<void> {
  const both = { prefix: 'sess:', userPrefix: 'u:' }
  const own: Own & UserSessionData = { ...data, role: 'user', cart: [] }
  await createSession({ client, ...both, sessionId: 's1', data: own })
  await createSession({ client, data: { ...data, anything: [1, { deep: true }] } })
  await createSession({
    client,
    userId: (session: { account: string }) => session.account,
    data: { account: 'eva', expires: '2999-01-01' },
  })
  await readSession({ client, ...both, sessionId: 's1' })
  await updateSession({ client, ...both, sessionId: 's1', data: { role: 'admin' } })
  await updateSession({ client, sessionId: 's1', data: { expires: '2999-01-01' } })
  await deleteSession({ client, ...both, sessionId: 's1' })
  await getUserSessions({ client, ...both, userId: 'eva' })
  await updateUserSessions({ client, ...both, userId: 'eva', data: { role: 'admin' } })
  await deleteUserSessions({ client, ...both, userId: 'eva' })
  await getUserSessions({ client, userId: { toJSON: () => '65f0c0ffee' } })
  await readSession({ client, sessionId: 's1', userId: (session: { account: string }) => session.account })
  await readSession({ client, prefix: undefined, userPrefix: undefined, userId: undefined, sessionId: 's1' })
}

export async function badArguments(client: SessionClient): Promise<void> {
  // @ts-expect-error no options
  await createSession()
  // @ts-expect-error no client
  await createSession({ data })
  // @ts-expect-error no data
  await createSession({ client })
  // @ts-expect-error no userId
  await createSession({ client, data: { expires: '2999-01-01' } })
  // @ts-expect-error no expires
  await createSession({ client, data: { userId: 'eva' } })
  // @ts-expect-error expires is a string
  await createSession({ client, data: { userId: 'eva', expires: new Date() } })
  // @ts-expect-error userId is a string
  await createSession({ client, data: { userId: 42, expires: '2999-01-01' } })
  // @ts-expect-error the id is a string
  await createSession({ client, sessionId: 42, data })
  // @ts-expect-error no id
  await readSession({ client })
  // @ts-expect-error no id
  await deleteSession({ client })
  // @ts-expect-error no data
  await updateSession({ client, sessionId: 's1' })
  // @ts-expect-error data is an object
  await updateSession({ client, sessionId: 's1', data: 'role' })
  // @ts-expect-error userId is a string
  await updateSession({ client, sessionId: 's1', data: { userId: 42 } })
  // @ts-expect-error no user
  await getUserSessions({ client })
  // @ts-expect-error no user
  await deleteUserSessions({ client, sessionId: 's1' })
  // @ts-expect-error no data
  await updateUserSessions({ client, userId: 'eva' })
  // @ts-expect-error the prefix is a string
  await readSession({ client, prefix: 1, sessionId: 's1' })

  const read = await readSession<Own>({ client, sessionId: 's1' })
  // @ts-expect-error it may be null
  read.role
  // @ts-expect-error Own has no such property
  read?.colour
}
