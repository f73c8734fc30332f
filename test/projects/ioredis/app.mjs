import { Redis } from 'ioredis'
import { UserSessionStore } from 'redis-user-sessions'
import { deviceApp, serve } from './shared/device-app.mjs'

const client = new Redis(process.env.REDIS_URL)
const subscriber = client.duplicate()
await serve(deviceApp(new UserSessionStore({ client, subscriber })))
