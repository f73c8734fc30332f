import { Module } from '@nestjs/common'
import { createClient } from 'redis'
import { UserSessionStore } from 'redis-user-sessions'
import { DevicesController } from './devices.controller.js'

@Module({
  controllers: [DevicesController],
  providers: [
    {
      provide: UserSessionStore,
      async useFactory() {
        const client = createClient({ url: process.env.REDIS_URL })
        client.on('error', (error) => console.error(error))
        await client.connect()
        return new UserSessionStore({ client })
      },
    },
  ],
})
export class AppModule {}
