/**
 * The entry point for programs without Express: the seven functions. They need neither express-session nor its types.
 */
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
export type { ScriptArguments, SessionClient, SetArguments } from './redis/clients/client.ts'
export type { IoredisClient } from './redis/clients/ioredis.ts'
export type { SupportedClient } from './redis/clients/supported.ts'
export type { UserId } from './session/arguments.ts'
export {
  CorruptSessionError,
  NotReplicatedError,
  SessionConflictError,
  SessionNotFoundError,
  SessionUserError,
} from './session/errors.ts'
export type { WaitForReplicas } from './users/replication.ts'
