/** Lets the saves of one session take turns within a process, instead of competing. */
import type { SessionClient } from './clients/client.ts'

/** The last record that this process has written for a session, while work on that session goes on. */
export interface Latest {
  raw: string
}

/** Resolves to the record it has written, or to `undefined` if it has written nothing or does not know. */
type Work = (latest: Latest | undefined) => Promise<Latest | undefined>

interface Queue {
  /** Settles when all work so far has ended. */
  tail: Promise<void>
  /** Settles when all work so far that makes the session has ended. */
  making: Promise<void>
  latest: Latest | undefined
}

const turns = new WeakMap<SessionClient, Turns>()

/** Returns the turns that all stores and functions with this client share. */
export function turnsOf(client: SessionClient): Turns {
  const known = turns.get(client) ?? new Turns()
  turns.set(client, known)
  return known
}

/**
 * Queues the work on one session within a process, in the order of the calls. Each turn starts with the record that the
 * turn before has written. So N overlapping saves cost O(N) commands.
 */
export class Turns {
  readonly #queues = new Map<string, Queue>()

  /** Runs `work` after all earlier work on this session has ended. */
  take(key: string, work: Work): Promise<void> {
    return this.#enqueue(key, work).turn
  }

  /** Same as `take`, for work that makes the session. */
  make(key: string, work: Work): Promise<void> {
    const { turn, queue } = this.#enqueue(key, work)
    queue.making = queue.tail
    return turn
  }

  /** Resolves when all earlier work that makes this session has ended. `destroy` waits for it, to delete that session. */
  async made(key: string): Promise<void> {
    await this.#queues.get(key)?.making
  }

  #enqueue(key: string, work: Work): { turn: Promise<void>; queue: Queue } {
    const done = Promise.resolve()
    const queue = this.#queues.get(key) ?? { tail: done, making: done, latest: undefined }
    const turn = queue.tail.then(async () => {
      const { latest } = queue
      queue.latest = undefined
      queue.latest = await work(latest)
    })
    const ended = () => {
      if (queue.tail === end) this.#queues.delete(key)
    }
    const end = turn.then(ended, ended)
    queue.tail = end
    this.#queues.set(key, queue)
    return { turn, queue }
  }
}
