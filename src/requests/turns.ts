/** What this process has written last of a session, while work on it is under way. */
export interface Latest {
  raw: string
}

/** Resolves to what it has written; to `undefined` if it has written nothing, or does not know. */
type Work = (latest: Latest | undefined) => Promise<Latest | undefined>

interface Queue {
  /** The end of the work so far. */
  tail: Promise<void>
  /** The end of the work so far that makes the session. */
  making: Promise<void>
  latest: Latest | undefined
}

/**
 * Work on one session takes turns within a process, in the order of the calls. Each turn begins with what the one before has
 * written, so that N overlapping saves cost O(N) commands.
 */
export class Turns {
  readonly #queues = new Map<string, Queue>()

  /** Runs `work` when all work on this session that was begun before has ended. */
  take(sessionId: string, work: Work): Promise<void> {
    return this.#enqueue(sessionId, work).turn
  }

  /** As `take`, for work that makes the session. */
  make(sessionId: string, work: Work): Promise<void> {
    const { turn, queue } = this.#enqueue(sessionId, work)
    queue.making = queue.tail
    return turn
  }

  /** Resolves when all work has ended that makes this session and was begun before. A revocation must see its result. */
  async made(sessionId: string): Promise<void> {
    await this.#queues.get(sessionId)?.making
  }

  #enqueue(sessionId: string, work: Work): { turn: Promise<void>; queue: Queue } {
    const done = Promise.resolve()
    const queue = this.#queues.get(sessionId) ?? { tail: done, making: done, latest: undefined }
    const turn = queue.tail.then(async () => {
      const { latest } = queue
      queue.latest = undefined
      queue.latest = await work(latest)
    })
    const end: Promise<void> = turn
      .catch(() => {})
      .then(() => {
        if (queue.tail === end) this.#queues.delete(sessionId)
      })
    queue.tail = end
    this.#queues.set(sessionId, queue)
    return { turn, queue }
  }
}
