/** `npm start`: finds or starts a Redis, and runs the example on it. A Redis that was started ends with the process. */
import { findRedis } from '../test/support/redis-server.ts'

try {
  const redis = await findRedis()
  console.log(`Uses ${redis.how}`)
  process.env.REDIS_URL = redis.url
  await import('../examples/express-app/server.ts')
} catch (error) {
  console.error((error as Error).message)
  process.exit(1)
}
