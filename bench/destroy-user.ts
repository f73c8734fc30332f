import { allOf, besideCrowds, fillUser } from './support/crowd.ts'
import type { Benchmark } from './support/result.ts'

export const benchmark: Benchmark = {
  about:
    "Signing one user out everywhere beside the sessions of many others: `destroyUser`, against connect-redis's `all()`, a " +
    'filter, and `destroy` of each. Beside a large crowd, `all()` is timed a few times, and the ratio has the spread of ' +
    '`destroyUser` only.',
  run: (context) =>
    besideCrowds(
      {
        before: (server, _user, sessions) => fillUser(server, sessions),
        ours: (store, user) => store.destroyUser(user),
        async baseline(store, user) {
          const sessions = await allOf(store, user)
          await Promise.all(sessions.map(({ id }) => store.destroy(id)))
          return sessions.length
        },
      },
      context,
    ),
}
