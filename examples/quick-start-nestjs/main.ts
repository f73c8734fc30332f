import { NestFactory } from '@nestjs/core'
import session from 'express-session'
import { UserSessionStore } from 'redis-user-sessions'
import { AppModule } from './app.module.js'

const app = await NestFactory.create(AppModule)
const store = app.get(UserSessionStore)
const secret = process.env.SESSION_SECRET ?? 'replace me'
const cookie = { maxAge: 24 * 60 * 60 * 1000, sameSite: 'lax' as const }
app.use(session({ store, secret, resave: false, saveUninitialized: false, cookie }))
await app.listen(process.env.PORT || 3000)
