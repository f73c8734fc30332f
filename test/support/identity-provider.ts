/** An OpenID Connect provider for tests. It signs in the user that the test names, without a page. */
import { createSign, generateKeyPairSync, randomUUID } from 'node:crypto'
import express from 'express'
import { serve, type TestServer } from './fetch-browser.ts'

export interface IdentityProvider extends TestServer {
  /** The user of the next sign-in. */
  user: string
  /** How many tokens were given out. */
  tokens: number
  clientId: string
  /** The token that the provider posts to an app to sign a user out. */
  logoutToken(user: string): string
}

const keyId = 'a key of the tests'

export async function startIdentityProvider(): Promise<IdentityProvider> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const signIns = new Map<string, { nonce: string; user: string }>()
  const app = express()

  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const idToken = (user: string, claims: object) => {
    const now = Math.floor(Date.now() / 1000)
    const body = {
      iss: provider.url,
      aud: provider.clientId,
      sub: user,
      iat: now,
      exp: now + 3600,
      ...claims,
    }
    const signed = `${encode({ alg: 'RS256', kid: keyId })}.${encode(body)}`
    return `${signed}.${createSign('RSA-SHA256').update(signed).sign(privateKey, 'base64url')}`
  }
  const logoutToken = (user: string) =>
    idToken(user, { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } })
  const tokensFor = (user: string, claims: object = {}) => ({
    access_token: `access token ${++provider.tokens}`,
    refresh_token: `refresh token of ${user}`,
    id_token: idToken(user, claims),
    token_type: 'Bearer',
    expires_in: 3600,
  })

  app.get('/.well-known/openid-configuration', (_req, res) => {
    res.json({
      issuer: provider.url,
      authorization_endpoint: `${provider.url}/authorize`,
      token_endpoint: `${provider.url}/token`,
      jwks_uri: `${provider.url}/jwks`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
    })
  })
  app.get('/jwks', (_req, res) => {
    res.json({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: keyId, alg: 'RS256', use: 'sig' }] })
  })
  app.get('/authorize', (req, res) => {
    const { redirect_uri, state, nonce } = req.query as Record<string, string>
    const code = randomUUID()
    signIns.set(code, { nonce: nonce as string, user: provider.user })
    res.redirect(`${redirect_uri}?${new URLSearchParams({ code, state: state as string })}`)
  })
  app.post('/token', express.urlencoded({ extended: false }), (req, res) => {
    if (req.body.grant_type === 'refresh_token') {
      return void res.json(tokensFor(req.body.refresh_token.replace('refresh token of ', '')))
    }
    const { user, nonce } = signIns.get(req.body.code) as { nonce: string; user: string }
    res.json(tokensFor(user, { nonce }))
  })

  const server = await serve(app)
  const provider: IdentityProvider = { ...server, user: 'eva', tokens: 0, clientId: 'the app', logoutToken }
  return provider
}
