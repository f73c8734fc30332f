/**
 * Gets the record that the work before has written, if that is known. Resolves to the record it has written, or to
 * `undefined` if it has written nothing or does not know.
 */
type Work = (latest: string | undefined) => Promise<string | undefined>

interface Queue {
  /** Settles when all work so far has ended. */
  tail: Promise<void>
  /** Settles when all work so far that makes the session has ended. */
  making: Promise<void>
  /** Settles when all destroys so far have deleted the session, or have failed. */
  destroying: Promise<unknown>
  /** The record that the last work has written, if that is known. */
  latest: string | undefined
}

const done = Promise.resolve()

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

  /**
   * Runs the work of a destroy after all earlier work that makes the session. It does not wait for later updates, which
   * cannot bring the session back. It does not wait for later destroys either: if Redis fails, each fails in its own
   * time. Work that comes after this destroy waits until it has ended. Loads wait only until it ends or calls `deleted`.
   */
  destroy<Result>(key: string, work: (deleted: () => void) => Promise<Result>): Promise<Result> {
    const queue = this.#queueOf(key)
    let deleted!: () => void
    const deletion = new Promise<void>((resolve) => {
      deleted = resolve
    })
    const result = queue.making.then(() => work(deleted))
    const end = result.then(deleted, deleted)
    queue.destroying = queue.destroying.then(() => deletion)
    const turn = queue.tail.then(() => end)
    this.#append(key, queue, turn)
    return result
  }

  /**
   * Returns a promise that resolves when all earlier destroys of this session have deleted it or have failed, or
   * `undefined` if there is no work on the session.
   */
  destroyed(key: string): Promise<unknown> | undefined {
    return this.#queues.get(key)?.destroying
  }

  #enqueue(key: string, work: Work): { turn: Promise<void>; queue: Queue } {
    const queue = this.#queueOf(key)
    const turn = queue.tail.then(async () => {
      const { latest } = queue
      // If this work fails, nobody knows what Redis holds.
      queue.latest = undefined
      queue.latest = await work(latest)
    })
    this.#append(key, queue, turn)
    return { turn, queue }
  }

  #queueOf(key: string): Queue {
    return this.#queues.get(key) ?? { tail: done, making: done, destroying: done, latest: undefined }
  }

  /** Later work waits for `turn`. The queue is forgotten when its last work has ended. */
  #append(key: string, queue: Queue, turn: Promise<unknown>): void {
    const forgetIfLast = () => {
      if (queue.tail === end) this.#queues.delete(key)
    }
    const end = turn.then(forgetIfLast, forgetIfLast)
    queue.tail = end
    this.#queues.set(key, queue)
  }
}
