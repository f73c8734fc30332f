import { contenders } from './support/contenders.ts'
import { comparisonRow } from './support/hot-path.ts'
import { prepareSignIn, signIn } from './support/operations.ts'
import type { Benchmark } from './support/result.ts'
import { compare } from './support/rounds.ts'
import { withServer } from './support/server.ts'

const USERS = 100

export const benchmark: Benchmark = {
  about:
    'A visit that ends signed in: an anonymous session is generated and saved, loaded, regenerated (which destroys it), ' +
    'given its user and saved. The database is emptied before each turn.',
  run: (context) =>
    withServer(async ({ client }) => {
      const pair = await contenders(client, context)
      for (const { store } of pair) prepareSignIn(store)
      const result = await compare(pair, (store, n, done) => signIn(store, `user-${n % USERS}`, done), {
        rounds: context.rounds,
        operations: 100,
        concurrency: context.concurrency,
        before: async () => void (await client.flushDb()),
      })
      return [comparisonRow('sign-in', pair, result)]
    }),
}
