// A sign-in through an identity provider, and a sign-out everywhere, with the recipe.
import assert from 'node:assert/strict'
import { UserSessionStore } from 'redis-user-sessions'
import { openidConnectApp } from './recipes/openid-connect-app.ts'
import { serve } from './shared/device-app.mjs'
import { connect } from './shared/node-redis.mjs'

const client = await connect()
const store = new UserSessionStore({ client, prefix: 'openid-connect:' })
// The app needs its own URL.
let app: ReturnType<typeof openidConnectApp> | undefined
const { server, url } = await serve((req, res) => app?.(req, res), 0)
app = openidConnectApp(store, {
  issuerBaseURL: process.env.IDENTITY_PROVIDER_URL,
  baseURL: url,
  clientID: process.env.CLIENT_ID,
  clientSecret: 'a secret of the client',
  secret: 'a secret of the app with 32 characters',
})

/** Follows redirects, with the cookies of one browser. */
function browser() {
  const cookies = new Map<string, string>()
  return async function request(path: string, method = 'GET'): Promise<Response> {
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ')
    const response = await fetch(new URL(path, url), { method, headers: { cookie }, redirect: 'manual' })
    for (const header of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(header) as unknown as [string, string, string]
      cookies.set(name, value)
    }
    const location = response.headers.get('location')
    return location ? request(location) : response
  }
}

const [phone, laptop] = [browser(), browser()]
for (const device of [phone, laptop]) await device('/login')
const [user] = (await store.userSessions('eva')).map(({ data }) => Object.keys(data))
assert(user?.includes('id_token'))
assert.equal((await (await phone('/devices')).json()).length, 2)
assert.deepEqual(await (await phone('/sign-out-everywhere', 'POST')).json(), { signedOut: 2 })
assert.deepEqual(await store.userSessions('eva'), [])

server.close()
server.closeAllConnections()
await client.close()
