export type { Callback } from './callback.ts'
export type { SessionClient } from './client.ts'
export type { Serializer } from './codec.ts'
export {
  CorruptSessionError,
  NotReplicatedError,
  SessionConflictError,
  SessionNotFoundError,
  SessionUserError,
} from './errors.ts'
export type { CreatedEvent, DestroyedEvent, DestroyReason, StoreEvents } from './events.ts'
export {
  createSession,
  deleteSession,
  deleteUserSessions,
  type FunctionOptions,
  getUserSessions,
  type RevokingOptions,
  readSession,
  type UserSessionData,
  updateSession,
  updateUserSessions,
} from './functions.ts'
export type { UserSessionStoreOptions } from './options.ts'
export type { ReindexOptions, ReindexResult } from './reindex.ts'
export type { WaitForReplicas } from './replication.ts'
export type { RevokedListener } from './revocations.ts'
export type { SubscriberClient } from './subscription.ts'
export type { UserSession } from './user-session.ts'
export { type DestroyUserOptions, type SessionWithId, UserSessionStore } from './user-session-store.ts'
