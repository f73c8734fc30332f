/** What this process has written last of a session, while work on it is under way. */
export interface Latest {
  raw: string
}

import type { SessionClient } from './clients/client.ts'

/** Resolves to what it has written; to `undefined` if it has written nothing, or does not know. */
type Work = (latest: Latest | undefined) => Promise<Latest | undefined>

interface Queue {
  /** The end of the work so far. */
  tail: Promise<void>
  /** The end of the work so far that makes the session. */
  making: Promise<void>
  latest: Latest | undefined
}

const turns = new WeakMap<SessionClient, Turns>()

/** The turns of all stores and functions that share a client. */
export function turnsOf(client: SessionClient): Turns {
  const known = turns.get(client) ?? new Turns()
  turns.set(client, known)
  return known
}

/**
 * Work on one session, by its key, takes turns within a process, in the order of the calls. Each turn begins with what the one before has
 * written, so that N overlapping saves cost O(N) commands.
 */
export class Turns {
  readonly #queues = new Map<string, Queue>()

  /** Runs `work` when all work on this session that was begun before has ended. */
  take(key: string, work: Work): Promise<void> {
    return this.#enqueue(key, work).turn
  }

  /** As `take`, for work that makes the session. */
  make(key: string, work: Work): Promise<void> {
    const { turn, queue } = this.#enqueue(key, work)
    queue.making = queue.tail
    return turn
  }

  /** Resolves when all work has ended that makes this session and was begun before. A revocation must see its result. */
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
