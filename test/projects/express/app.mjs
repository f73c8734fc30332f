import { UserSessionStore } from 'redis-user-sessions'
import { deviceApp, serve } from './shared/device-app.mjs'
import { connect } from './shared/node-redis.mjs'

await serve(deviceApp(new UserSessionStore({ client: await connect() })))
