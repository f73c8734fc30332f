/** Every Lua script of the package, by its name. */
export * from '../../src/redis/scripts.ts'
