import {
  Controller,
  Get,
  Headers,
  HttpCode,
  Inject,
  NotFoundException,
  Param,
  Post,
  Req,
  Session,
  UnauthorizedException,
} from '@nestjs/common'
import type { Request } from 'express'
import type { Session as ExpressSession, SessionData } from 'express-session'
import { UserSessionStore } from 'redis-user-sessions'

declare module 'express-session' {
  interface SessionData {
    userId?: string
    browser?: string
  }
}

type UserSession = ExpressSession & Partial<SessionData>

@Controller()
export class DevicesController {
  constructor(@Inject(UserSessionStore) private readonly store: UserSessionStore) {}

  // In place of your sign-in, which checks a password.
  @Post('sign-in/:userId')
  @HttpCode(204)
  async signIn(@Req() req: Request, @Param('userId') userId: string, @Headers('user-agent') browser: string) {
    await new Promise<void>((resolve, reject) => {
      req.session.regenerate((error) => (error ? reject(error) : resolve()))
    })
    Object.assign(req.session, { userId, browser })
  }

  @Get('devices')
  async devices(@Session() session: UserSession) {
    const sessions = await this.store.userSessions(signedIn(session))
    return sessions.map(({ sessionId, handle, data, lastActive }) => ({
      handle,
      browser: data.browser,
      lastActive,
      thisDevice: sessionId === session.id,
    }))
  }

  @Post('devices/:handle/sign-out')
  @HttpCode(204)
  async signOut(@Session() session: UserSession, @Param('handle') handle: string) {
    const found = await this.store.destroyUserSession(signedIn(session), handle)
    if (!found) throw new NotFoundException()
  }

  @Post('sign-out-others')
  @HttpCode(200)
  async signOutOthers(@Session() session: UserSession) {
    const signedOut = await this.store.destroyUser(signedIn(session), { except: session.id })
    return { signedOut }
  }
}

function signedIn({ userId }: UserSession): string {
  if (!userId) throw new UnauthorizedException()
  return userId
}
