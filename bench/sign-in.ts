import { contenders } from './support/contenders.ts'
import { comparisonRow, withApart } from './support/hot-path.ts'
import { nthSignIn, prepareSignIn } from './support/operations.ts'
import type { Benchmark } from './support/result.ts'
import { compare } from './support/rounds.ts'
import { withServer } from './support/server.ts'

const OPERATIONS = 100

export const benchmark: Benchmark = {
  about:
    'A visit that ends signed in: an anonymous session is generated and saved, loaded, regenerated (which destroys it), ' +
    'given its user and saved. The database is emptied before each turn.',
  run: (context) =>
    withServer(async ({ client, url }) => {
      const pair = await contenders(client, context)
      for (const { store } of pair) prepareSignIn(store)
      const { rounds, concurrency } = context
      const before = async () => void (await client.flushDb())
      const options = { rounds, operations: OPERATIONS, concurrency, before }
      const row = comparisonRow('sign-in', pair, await compare(pair, nthSignIn, options))
      const turn = { operation: 'signIn', operations: OPERATIONS, concurrency } as const
      return [await withApart(row, 0, url, turn, context)]
    }),
}
