import { randomBytes } from 'node:crypto'
import { NestFactory } from '@nestjs/core'
import session from 'express-session'
import { UserSessionStore } from 'redis-user-sessions'
import { AppModule } from './app.module.js'

const app = await NestFactory.create(AppModule)
const store = app.get(UserSessionStore)
// Without SESSION_SECRET, a restart signs everybody out.
const secret = process.env.SESSION_SECRET || randomBytes(32).toString('base64url')
const cookie = { maxAge: 24 * 60 * 60 * 1000, sameSite: 'lax', secure: 'auto' } as const
app.use(session({ store, secret, resave: false, saveUninitialized: false, cookie }))
await app.listen(process.env.PORT || 3000)
