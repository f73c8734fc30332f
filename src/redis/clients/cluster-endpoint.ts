import { isCluster } from './client.ts'

/**
 * Adds advice to the error of a plain client that talks to a node of a Redis Cluster. Such a client fails at the first
 * sign-in, whose two keys lie in two slots. The error keeps its class.
 */
export function namingCluster(client: object, error: unknown): unknown {
  if (isCluster(client) || !(error instanceof Error) || !/^(CROSSSLOT|MOVED|ASK) /.test(error.message))
    return error
  const { message, stack } = error
  error.message = `${message}; ${advice}`
  error.stack = stack?.replace(message, error.message)
  return error
}

const advice =
  'the client talks to one node of a Redis Cluster: use a Cluster client (createCluster of node-redis, Cluster of ioredis)' +
  " or prefixes with the same hash tag, such as '{app}session:' and '{app}user:'"
