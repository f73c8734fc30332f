/**
 * Clients that stop, fail or die at a chosen command. They force an interleaving or a crash without a sleep. Each wraps
 * a connected node-redis client of any topology. All other commands go to Redis in the same tick as without it. A
 * wrapped client can be wrapped again.
 *
 *     const { client, reached, release, calls } = pauseBefore(await connect(), runs(writeScript))
 *     const late = store(client).set(…)
 *     await reached            // the write is held, nothing of it is in Redis yet
 *     await …                  // other work happens here, through another client
 *     release()
 *     await late
 */
import { EventEmitter } from 'node:events'

export type Call = {
  /** The method that was called, such as `get` or `evalSha`. */
  command: string
  args: unknown[]
}

/** The chosen call: the n-th command of this client, from 1, or the first that a predicate accepts. */
export type Choice = number | ((call: Call) => boolean)

export type Watched<Client> = {
  client: Client
  /** Every command so far that was asked for, held and refused ones included. */
  calls: Call[]
}

export type Paused<Client> = Watched<Client> & {
  /** Resolves when the chosen command is held. */
  reached: Promise<Call>
  /** Lets it go, and any later one. */
  release(): void
}

export type Mortal<Client> = Watched<Client> & { readonly dead: boolean }

/** Handles a call. `send` passes it to Redis. */
type Around = (call: Call, send: () => Promise<unknown>) => Promise<unknown>

const NOT_COMMANDS = new Set([
  ...Object.getOwnPropertyNames(EventEmitter.prototype),
  ...['connect', 'close', 'destroy', 'quit', 'disconnect', 'ref', 'unref'],
])
const LEADING_TO_CLIENTS = new Set([
  ...['nodeClient', 'getNodeClientForKey', 'duplicate'],
  ...['withCommandOptions', 'withTypeMapping', 'withAbortSignal', 'asap'],
])
const UNSEEN = new Set([
  'multi',
  'MULTI',
  'execute',
  'use',
  'acquire',
  'legacy',
  'scanIterator',
  'hScanIterator',
])

export class ClientDied extends Error {
  override name = 'ClientDied'

  constructor(when: 'before' | 'after') {
    super(`The client died ${when} this command`)
  }
}

/** Matches a script call by the script, whether sent by hash or by source. */
export function runs(script: { sha1: string; source: string }): (call: Call) => boolean {
  return ({ command, args }) =>
    (command === 'evalSha' && args[0] === script.sha1) || (command === 'eval' && args[0] === script.source)
}

/** Only counts. */
export function watch<Client extends object>(client: Client): Watched<Client> {
  return watched(client, (_, send) => send())
}

/** Holds the chosen command, before Redis sees it, until `release`; once. */
export function pauseBefore<Client extends object>(client: Client, choice: Choice): Paused<Client> {
  return paused(client, choice, async (hold, send) => {
    await hold()
    return send()
  })
}

/** Lets Redis do the chosen command and holds its reply until `release`; once. */
export function pauseAfter<Client extends object>(client: Client, choice: Choice): Paused<Client> {
  return paused(client, choice, async (hold, send) => {
    const reply = await send()
    await hold()
    return reply
  })
}

/** Refuses the chosen command with `error` as a broken connection does, once; Redis never sees it. */
export function failBefore<Client extends object>(
  client: Client,
  choice: Choice,
  error: Error,
): Watched<Client> {
  const chosen = first(choice)
  return watched(client, (call, send) => (chosen(call) ? Promise.reject(error) : send()))
}

/** Lets Redis do the chosen command and rejects with `error` instead of its reply, as a timeout may; once. */
export function failAfter<Client extends object>(
  client: Client,
  choice: Choice,
  error: Error,
): Watched<Client> {
  const chosen = first(choice)
  return watched(client, async (call, send) => {
    const fails = chosen(call)
    const reply = await send()
    if (fails) throw error
    return reply
  })
}

/**
 * Sends the chosen command again after Redis has done it, and returns the second answer; once. Some clients do so by
 * themselves after an answer was lost. `between` is the work of others between the two. A command that Redis refuses
 * (a script that it does not know) is not sent again.
 */
export function twice<Client extends object>(
  client: Client,
  choice: Choice,
  between: () => Promise<unknown> = async () => {},
): Watched<Client> {
  const chosen = matching(choice)
  let isDone = false
  return watched(client, async (call, send) => {
    if (isDone || !chosen(call)) return send()
    await send()
    isDone = true
    await between()
    return send()
  })
}

/** Dies before the chosen command: neither that nor any later one reaches Redis; they reject with `ClientDied`. */
export function dieBefore<Client extends object>(client: Client, choice: Choice): Mortal<Client> {
  return mortal(client, choice, () => {
    throw new ClientDied('before')
  })
}

/** Dies after the chosen command: Redis has done it, its reply is lost, and no later command reaches Redis. */
export function dieAfter<Client extends object>(client: Client, choice: Choice): Mortal<Client> {
  return mortal(client, choice, async (send) => {
    await send()
    throw new ClientDied('after')
  })
}

function paused<Client extends object>(
  client: Client,
  choice: Choice,
  around: (hold: () => Promise<void>, send: () => Promise<unknown>) => Promise<unknown>,
): Paused<Client> {
  const chosen = first(choice)
  const reached = deferred<Call>()
  const released = deferred<void>()
  const both = watched(client, (call, send) => {
    if (!chosen(call)) return send()
    const hold = () => {
      reached.resolve(call)
      return released.promise
    }
    return around(hold, send)
  })
  return { ...both, reached: reached.promise, release: () => released.resolve() }
}

function mortal<Client extends object>(
  client: Client,
  choice: Choice,
  die: (send: () => Promise<unknown>) => Promise<unknown>,
): Mortal<Client> {
  const chosen = first(choice)
  let dead = false
  const both = watched(client, async (call, send) => {
    if (dead) throw new ClientDied('before')
    if (!chosen(call)) return send()
    dead = true
    return die(send)
  })
  return {
    ...both,
    get dead() {
      return dead
    },
  }
}

function watched<Client extends object>(client: Client, around: Around): Watched<Client> {
  const calls: Call[] = []
  const intercepted = intercept(client, (call, send) => {
    calls.push(call)
    return around(call, send)
  })
  return { client: intercepted, calls }
}

/** True for each call that is chosen. */
function matching(choice: Choice): (call: Call) => boolean {
  let seen = 0
  return (call) => {
    seen += 1
    return typeof choice === 'number' ? seen === choice : choice(call)
  }
}

/** True for the first call that is chosen, and never again. */
function first(choice: Choice): (call: Call) => boolean {
  const chosen = matching(choice)
  let found = false
  return (call) => {
    if (found || !chosen(call)) return false
    found = true
    return true
  }
}

/**
 * A stand-in for `client` that passes every command through `around`. It does the same for clients that `client`
 * returns.
 */
function intercept<Client extends object>(client: Client, around: Around): Client {
  return new Proxy(client, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target)
      if (typeof value !== 'function' || typeof property === 'symbol') return value
      const method = (...args: unknown[]): unknown => Reflect.apply(value, target, args)
      if (NOT_COMMANDS.has(property)) return method
      if (LEADING_TO_CLIENTS.has(property))
        return (...args: unknown[]) => interceptReply(method(...args), around)
      if (UNSEEN.has(property)) return () => unseen(property)
      return (...args: unknown[]) => around({ command: property, args }, async () => method(...args))
    },
  })
}

function interceptReply(reply: unknown, around: Around): unknown {
  if (reply instanceof Promise) return reply.then((client: object) => intercept(client, around))
  return intercept(reply as object, around)
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function deferred<T>() {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

function unseen(method: string): never {
  throw new Error(`Commands sent through ${method} would not be seen by this test client`)
}
