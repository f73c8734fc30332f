import { allOf, besideCrowds } from './support/crowd.ts'
import type { Benchmark } from './support/result.ts'

export const benchmark: Benchmark = {
  about:
    "Listing one user's sessions beside those of many others: `userSessions`, against connect-redis's `all()` and a filter. " +
    'Beside a large crowd, `all()` is timed a few times, and the ratio has the spread of `userSessions` only.',
  run: (context) =>
    besideCrowds(
      {
        ours: async (store, user) => (await store.userSessions(user)).length,
        baseline: async (store, user) => (await allOf(store, user)).length,
      },
      context,
    ),
}
