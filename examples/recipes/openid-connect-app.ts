/**
 * OpenID Connect: the adapter lets `express-openid-connect` use the store. The owner of a session is the
 * `sub` of its ID token.
 */
import express, { type Express } from 'express'
import openidConnect, { type ConfigParams } from 'express-openid-connect'
import type { UserSessionStore } from 'redis-user-sessions'
import { openidConnectStore } from 'redis-user-sessions/express-openid-connect'

// It is CommonJS, and an ES module cannot import `requiresAuth` by its name.
const { auth, requiresAuth } = openidConnect

/** `provider` has `issuerBaseURL`, `baseURL`, `clientID`, `clientSecret` and `secret`. */
export function openidConnectApp(store: UserSessionStore, provider: ConfigParams): Express {
  const app = express()
  app.use(
    auth({
      ...provider,
      authRequired: false,
      authorizationParams: { response_type: 'code' },
      session: { store: openidConnectStore(store), rollingDuration: 3600 },
      // The identity provider signs a user out. The sessions are deleted at once, so the library needs no
      // logout entries.
      backchannelLogout: {
        onLogoutToken: async (token) => {
          const { sub } = token as { sub?: string }
          if (sub) await store.destroyUser(sub)
        },
        isLoggedOut: false,
        onLogin: false,
      },
    }),
  )

  app.get('/devices', requiresAuth(), async (req, res) => {
    const sessions = await store.userSessions(req.oidc.user?.sub)
    res.json(sessions.map(({ handle, lastActive }) => ({ handle, lastActive })))
  })
  app.post('/sign-out-everywhere', requiresAuth(), async (req, res) => {
    res.json({ signedOut: await store.destroyUser(req.oidc.user?.sub) })
  })
  return app
}
