export type { Callback } from './api/callback.ts'
export {
  createSession,
  deleteSession,
  deleteUserSessions,
  type FunctionOptions,
  getUserSessions,
  type OneSessionOptions,
  type RevokingOptions,
  readSession,
  type UserSessionData,
  updateSession,
  updateUserSessions,
} from './api/functions.ts'
export type { MaxUserSessions, SessionLimit, UserSessionStoreOptions } from './api/options.ts'
export type { UserSession } from './api/user-session.ts'
export { type DestroyUserOptions, type SessionWithId, UserSessionStore } from './api/user-session-store.ts'
export type {
  ScriptArguments,
  SessionClient,
  SetArguments,
  SubscriberClient,
} from './redis/clients/client.ts'
export type { IoredisClient, IoredisSubscriber } from './redis/clients/ioredis.ts'
export type { SupportedClient, SupportedSubscriber } from './redis/clients/supported.ts'
export type { UserId } from './session/arguments.ts'
export type { Serializer } from './session/codec.ts'
export {
  CorruptSessionError,
  NotReplicatedError,
  SessionConflictError,
  SessionLimitError,
  SessionNotFoundError,
  SessionUserError,
} from './session/errors.ts'
export type { RevokedListener } from './users/announcements.ts'
export type { CreatedEvent, DestroyedEvent, DestroyReason, FailedEvent, StoreEvents } from './users/events.ts'
export type { ReindexOptions, ReindexResult } from './users/reindex.ts'
export type { WaitForReplicas } from './users/replication.ts'
