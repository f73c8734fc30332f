// The package as an ES module.
import { createSession, UserSessionStore } from 'redis-user-sessions'
import * as functions from 'redis-user-sessions/functions'

if (typeof UserSessionStore !== 'function') throw new Error('import')
if (functions.createSession !== createSession) throw new Error('import of the functions')
