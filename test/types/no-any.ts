/** Compiled, never run: nothing public is `any`, accepts `any` or returns `any`. */

import type * as api from '../../src/index.ts'
import type {
  FunctionOptions,
  SessionWithId,
  UserSession,
  UserSessionData,
  UserSessionStoreOptions,
} from '../../src/index.ts'
import { sameType } from './equal.ts'

type IsAny<T> = 0 extends 1 & T ? true : false
/** The names of a function's or constructor's arguments and results, down one level, that are `any`. */
type AnyIn<T> =
  IsAny<T> extends true
    ? 'itself'
    : T extends (...args: infer Args) => infer Result
      ? AnyOf<Args> | (IsAny<Awaited<Result>> extends true ? 'result' : AnyOf<Awaited<Result>>)
      : never
type AnyOf<T> =
  IsAny<T> extends true
    ? 'itself'
    : T extends readonly (infer Element)[]
      ? IsAny<Element> extends true
        ? 'element'
        : PropertiesAny<Element>
      : PropertiesAny<T>
type PropertiesAny<T> = T extends object
  ? { [K in keyof T]-?: IsAny<T[K]> extends true ? K : never }[keyof T]
  : never

type Functions = {
  [K in keyof typeof api as (typeof api)[K] extends (...args: never) => unknown ? K : never]: (typeof api)[K]
}
type Leaks = { [K in keyof Functions]: AnyIn<Functions[K]> }[keyof Functions]
type OwnMethods =
  | 'get'
  | 'set'
  | 'touch'
  | 'destroy'
  | 'all'
  | 'ids'
  | 'length'
  | 'clear'
  | 'userSessions'
  | 'destroyUser'
  | 'destroyUserSession'
  | 'updateUser'
  | 'sessions'
  | 'reindex'
type MethodLeaks = { [K in OwnMethods]: AnyIn<api.UserSessionStore[K]> }[OwnMethods]

export function nothingIsAny(): void {
  sameType<Leaks, never>(true)
  sameType<MethodLeaks, never>(true)
  sameType<AnyOf<UserSession>, never>(true)
  sameType<AnyOf<UserSessionStoreOptions>, never>(true)
  sameType<AnyOf<UserSessionData>, never>(true)
  sameType<AnyOf<SessionWithId>, never>(true)
  sameType<AnyOf<FunctionOptions>, never>(true)
  sameType<AnyOf<ConstructorParameters<typeof api.UserSessionStore>[0]>, never>(true)
}

/** The check itself finds an `any`. */
export function theCheckFinds(): void {
  sameType<AnyIn<(a: string) => ReturnType<typeof JSON.parse>>, 'result'>(true)
  sameType<AnyIn<() => Promise<ReturnType<typeof JSON.parse>>>, 'result'>(true)
  sameType<AnyIn<(a: { b: string }) => { c: ReturnType<typeof JSON.parse> }>, 'c'>(true)
}
