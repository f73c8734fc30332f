/** The recipes of Fastify and OpenID Connect do what docs/recipes.md says about them. */
import { expect } from 'chai'
import type { FastifyInstance } from 'fastify'
import { fastifyApp } from '../../examples/recipes/fastify-app.ts'
import { openidConnectApp } from '../../examples/recipes/openid-connect-app.ts'
import type { UserSessionStore } from '../../src/index.ts'
import { useDatabase } from '../support/database.ts'
import { FetchBrowser, serve, type TestServer } from '../support/fetch-browser.ts'
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts'

const SECRET = 'a secret of the tests with 32 characters'

describe('The recipes of other session libraries', () => {
  const db = useDatabase()
  let store: UserSessionStore

  beforeEach(() => {
    store = db.store()
  })

  describe('Fastify', () => {
    let app: FastifyInstance
    let url: string

    beforeEach(async () => {
      app = fastifyApp(store, SECRET)
      url = await app.listen({ port: 0, host: '127.0.0.1' })
    })
    afterEach(() => app.close())

    it('lists devices and signs out the others', async () => {
      const [phone, laptop] = [new FetchBrowser(url), new FetchBrowser(url)]
      for (const device of [phone, laptop]) await device.post('/sign-in/eva')
      expect(JSON.parse((await phone.get('/devices')).body)).to.have.length(2)
      expect(JSON.parse((await phone.post('/sign-out-others')).body)).to.deep.equal({ signedOut: 1 })
      expect((await laptop.get('/devices')).status).to.equal(401)
      expect((await phone.get('/devices')).status).to.equal(200)
    })
  })

  describe('OpenID Connect', () => {
    let provider: IdentityProvider
    let server: TestServer

    before(async () => {
      provider = await startIdentityProvider()
    })
    after(() => provider.stop())
    beforeEach(async () => {
      let app: ReturnType<typeof openidConnectApp> | undefined
      server = await serve((req, res) => app?.(req, res))
      app = openidConnectApp(store, {
        issuerBaseURL: provider.url,
        baseURL: server.url,
        clientID: provider.clientId,
        clientSecret: 'a secret of the client',
        secret: SECRET,
      })
    })
    afterEach(() => server.stop())

    async function signedIn(): Promise<FetchBrowser> {
      const device = new FetchBrowser(server.url)
      await device.get('/login')
      return device
    }

    it('lists devices and signs out everywhere', async () => {
      const [phone, laptop] = [await signedIn(), await signedIn()]
      expect(JSON.parse((await phone.get('/devices')).body)).to.have.length(2)
      expect(JSON.parse((await phone.post('/sign-out-everywhere')).body)).to.deep.equal({ signedOut: 2 })
      await laptop.get('/devices')
      expect(await store.userSessions('eva')).to.have.length(1)
    })

    it('signs a user out if the identity provider does', async () => {
      await signedIn()
      const body = new URLSearchParams({ logout_token: provider.logoutToken('eva') })
      const { status } = await fetch(`${server.url}/backchannel-logout`, { method: 'POST', body })
      expect(status).to.equal(204)
      expect(await store.userSessions('eva')).to.deep.equal([])
    })
  })
})
