/** The entry point of apps with `@fastify/session`. */
export { type FastifySessionStore, fastifySessionStore } from './adapters/fastify.ts'
