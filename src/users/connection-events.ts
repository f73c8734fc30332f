/** What a subscriber's connection says, each kind of client in its own words. */
import type { SubscriberClient } from '../redis/clients/client.ts'

export interface ConnectionListener {
  /** The connection is there, or has come back. */
  connected(): void
  /** An attempt to connect has failed. */
  failed(): void
}

type Handler = [event: string, listener: () => void]

/** Those who share a client share one listener of each event: from the eleventh on, Node warns. */
const shared = new WeakMap<SubscriberClient, { all: Set<ConnectionListener>; handlers: Handler[] }>()

/** Calls a listener from now on; returns a function that takes it back. */
export function onConnection(client: SubscriberClient, listener: ConnectionListener): () => void {
  const { all, handlers } = shared.get(client) ?? listenTo(client)
  all.add(listener)
  return () => {
    if (!all.delete(listener) || all.size > 0) return
    for (const handler of handlers) client.off(...handler)
    shared.delete(client)
  }
}

function listenTo(client: SubscriberClient) {
  const all = new Set<ConnectionListener>()
  const connected = () => {
    for (const listener of all) listener.connected()
  }
  const failed = () => {
    for (const listener of all) listener.failed()
  }
  // Of its subscribing connection, a Sentinel client tells errors only.
  const events = 'use' in client ? ['ready', 'error', 'topology-change'] : ['ready', 'node-ready']
  const handlers: Handler[] = [
    ...events.map((event): Handler => [event, connected]),
    ['reconnecting', failed],
    ['terminated', failed],
  ]
  for (const handler of handlers) client.on(...handler)
  const entry = { all, handlers }
  shared.set(client, entry)
  return entry
}
