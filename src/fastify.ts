/** The entry point for apps with `@fastify/session`. */
export { type FastifySessionStore, fastifySessionStore } from './adapters/fastify.ts'
