/** Admins may be signed in on one device, everyone else on three. A sign-in beyond the limit signs out another device. */
import { UserSessionStore, type UserSessionStoreOptions } from 'redis-user-sessions'

export function storeWithLimits(
  options: UserSessionStoreOptions,
  tell: (userId: string | null) => void,
): UserSessionStore {
  const store = new UserSessionStore({
    ...options,
    // Called with the session that signs in. That session stays; of the others, those that expire soonest go.
    maxUserSessions: ({ role }) => (role === 'admin' ? 1 : 3),
  })

  store.on('destroyed', ({ userId, reason }) => {
    if (reason === 'limit') tell(userId) // by mail, say: "You were signed out on one of your devices"
  })
  return store
}
