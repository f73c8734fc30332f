const express = require('express')
const session = require('express-session')
const { createClient } = require('redis')
const request = require('supertest')
const { SessionNotFoundError, UserSessionStore, updateSession } = require('redis-user-sessions')
const { openidConnectStore } = require('redis-user-sessions/express-openid-connect')
const { fastifySessionStore } = require('redis-user-sessions/fastify')
const functions = require('redis-user-sessions/functions')

let client
beforeAll(async () => {
  client = await createClient({ url: process.env.REDIS_URL }).connect()
})
afterAll(() => client.close())

test('a revoked session ends', async () => {
  const store = new UserSessionStore({ client, prefix: 'jest:' })
  const app = express()
  app.use(session({ store, secret: 'a secret', resave: false, saveUninitialized: false }))
  app.post('/sign-in', (req, res) => {
    req.session.userId = 'eva'
    res.sendStatus(204)
  })
  app.get('/', (req, res) => res.send(req.session.userId ?? 'nobody'))
  const browser = request.agent(app)
  await browser.post('/sign-in').expect(204)
  await browser.get('/').expect('eva')
  expect(await store.destroyUser('eva')).toBe(1)
  await browser.get('/').expect('nobody')
})

test('errors are instances of their classes', async () => {
  const update = updateSession({ client, prefix: 'jest:', sessionId: 'none', data: { cart: [] } })
  await expect(update).rejects.toThrow(SessionNotFoundError)
})

test('every entry point can be required, and all share one build', () => {
  expect(functions.updateSession).toBe(updateSession)
  expect([typeof openidConnectStore, typeof fastifySessionStore]).toEqual(['function', 'function'])
})
