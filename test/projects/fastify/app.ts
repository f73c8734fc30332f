import { UserSessionStore } from 'redis-user-sessions'
import { fastifyApp } from './recipes/fastify-app.ts'
import { connect } from './shared/node-redis.mjs'

const store = new UserSessionStore({ client: await connect() })
const app = fastifyApp(store, process.env.SESSION_SECRET as string)
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
