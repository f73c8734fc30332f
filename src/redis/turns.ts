/** Lets the saves of one session take turns within a process, instead of competing. */
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
  /** Settles when all destroys so far have deleted the session, or have failed. */
  destroying: Promise<unknown>
  latest: Latest | undefined
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

  /**
   * Runs the work of a destroy after all earlier work that makes the session. It does not wait for updates, which cannot
   * bring the session back, nor for other destroys: if Redis fails, each fails in its own time. Later work waits until
   * this work has ended, and loads until it ends or calls `deleted`.
   */
  destroy<Result>(key: string, work: (deleted: () => void) => Promise<Result>): Promise<Result> {
    const queue = this.#queueOf(key)
    let deleted!: () => void
    const isDeleted = new Promise<void>((resolve) => {
      deleted = resolve
    })
    const turn = queue.making.then(() => work(deleted))
    const ended = turn.then(deleted, deleted)
    queue.destroying = Promise.all([queue.destroying, isDeleted])
    this.#append(key, queue, Promise.all([queue.tail, ended]))
    return turn
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
      queue.latest = undefined
      queue.latest = await work(latest)
    })
    this.#append(key, queue, turn)
    return { turn, queue }
  }

  #queueOf(key: string): Queue {
    const done = Promise.resolve()
    return this.#queues.get(key) ?? { tail: done, making: done, destroying: done, latest: undefined }
  }

  /** Later work waits for `turn`. The queue is forgotten when its last work has ended. */
  #append(key: string, queue: Queue, turn: Promise<unknown>): void {
    const ended = () => {
      if (queue.tail === end) this.#queues.delete(key)
    }
    const end = turn.then(ended, ended)
    queue.tail = end
    this.#queues.set(key, queue)
  }
}
