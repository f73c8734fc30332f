// Loads the package as an ES module.
import { createSession, UserSessionStore } from 'redis-user-sessions'
import { openidConnectStore } from 'redis-user-sessions/express-openid-connect'
import { fastifySessionStore } from 'redis-user-sessions/fastify'
import * as functions from 'redis-user-sessions/functions'

if (typeof UserSessionStore !== 'function') throw new Error('import')
if (functions.createSession !== createSession) throw new Error('import of the functions')
if (typeof fastifySessionStore !== 'function' || typeof openidConnectStore !== 'function')
  throw new Error('adapters')
