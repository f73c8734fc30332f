// Loads the package as CommonJS, and also as an ES module.
const { createSession, SessionNotFoundError, UserSessionStore } = require('redis-user-sessions')
const { openidConnectStore } = require('redis-user-sessions/express-openid-connect')
const { fastifySessionStore } = require('redis-user-sessions/fastify')
const functions = require('redis-user-sessions/functions')

if (typeof UserSessionStore !== 'function') throw new Error('require')
if (functions.createSession !== createSession) throw new Error('require of the functions')
if (typeof fastifySessionStore !== 'function' || typeof openidConnectStore !== 'function')
  throw new Error('adapters')

import('redis-user-sessions').then((other) => {
  if (other.SessionNotFoundError === SessionNotFoundError) throw new Error('both builds are one')
  const [mine, theirs] = [new SessionNotFoundError('id'), new other.SessionNotFoundError('id')]
  if (!(mine instanceof other.SessionNotFoundError)) throw new Error('instanceof the ES module')
  if (!(theirs instanceof SessionNotFoundError)) throw new Error('instanceof CommonJS')
})
