/**
 * Sessions that end while somebody reads them.
 *
 * A process reads a record, and looks at it only after the end that the record says: its event loop was busy. Another
 * request may have moved that end between the two. Then the session lives on, and the reader must not take it for
 * ended. If nobody has moved the end, the session has ended, and the reader must not bring it back.
 */
import { expect } from 'chai'
import {
  createSession,
  getUserSessions,
  readSession,
  SessionNotFoundError,
  updateSession,
  updateUserSessions,
} from '../../../src/index.ts'
import { atClock } from '../../support/clock.ts'
import { HOUR, inMs, MINUTE } from '../../support/database.ts'
import { type Choice, pauseBefore } from '../../support/paused-client.ts'
import {
  load,
  newId,
  nth,
  onEveryStage,
  type Scene,
  theLoad,
  theRead,
  theWrite,
} from '../../support/scene.ts'

type Options = Scene['options']
type Work = (options: Options, id: string) => Promise<unknown>

const change = { role: 'admin' }
const updateOne: Work = (options, sessionId) => updateSession({ ...options, sessionId, data: change })

const changes: Record<string, { reading: Choice; work: Work }> = {
  updateSession: { reading: theLoad, work: updateOne },
  updateUserSessions: {
    reading: theRead,
    work: (options) => updateUserSessions({ ...options, userId: 'alice', data: change }),
  },
}

const newEnd = {
  reading: theLoad,
  work: ((options, sessionId) =>
    updateSession({ ...options, sessionId, data: { expires: inMs(HOUR) } })) as Work,
}

describe('a session whose end moves while a record of it is being read', () => {
  onEveryStage((scene) => {
    for (const [name, { reading, work }] of Object.entries(changes)) {
      it(`gets the change of ${name}`, async () => {
        const { id, reader } = await readInTheMiddle(scene, reading, work)
        await lateIn(reader)
        expect(await scene.record(id)).to.include(change)
      })
    }

    for (const [name, work] of Object.entries({ save: saveOne(scene), updateSession: updateOne })) {
      it(`gets the change of ${name}, which meets another record`, async () => {
        const id = await shortSession(scene)
        const reader = scene.stoppedAfter(theWrite)
        const writer = pauseBefore(reader.client, theWrite)
        const working = work({ ...scene.options, client: writer.client }, id)
        await writer.reached
        await updateSession({ ...scene.options, sessionId: id, data: { theme: 'dark' } })
        writer.release()
        await reader.reached
        await prolong(scene, id)
        await lateIn({ ...reader, working })
        expect(await scene.record(id)).to.include({ ...change, theme: 'dark' })
      })
    }

    for (const [name, { reading, work }] of Object.entries(readersOf(scene))) {
      it(`is found by ${name}`, async () => {
        const { reader } = await readInTheMiddle(scene, reading, work)
        expect(await lateIn(reader)).to.be.an('object')
      })
    }

    it('is left out by all if it cannot be read by then', async () => {
      const { id, reader } = await readInTheMiddle(scene, theRead, (options) => scene.store(options).all())
      await scene.client.set(scene.sessionKey(id), 'not JSON')
      expect(await lateIn(reader)).to.deep.equal([])
    })

    it('is not announced as gone by checkRevoked', async () => {
      const { reader } = await readInTheMiddle(scene, theRead, async (options, sessionId) => {
        const store = scene.store(options)
        store.onRevoked(sessionId, () => {})
        return store.checkRevoked()
      })
      expect(await lateIn(reader)).to.equal(0)
    })
  })
})

describe('a session that ends while a call waits for Redis', () => {
  onEveryStage((scene) => {
    const waiting = { ...changes, save: { reading: theWrite, work: saveOne(scene) }, 'a new end': newEnd }
    for (const [name, { reading, work }] of Object.entries(waiting)) {
      it(`does not come back by ${name}`, async () => {
        const id = await shortSession(scene)
        const caller = scene.stoppedBefore(reading)
        const working = work(caller.options, id)
        await Promise.race([caller.reached, working])
        await endsLate(scene, id)
        const before = await scene.record(id)
        await lateIn({ ...caller, working }).catch(isNotFound)
        expect(await scene.record(id)).to.deep.equal(before)
        expect(await atClock(2 * MINUTE, () => scene.store().get(id))).to.equal(null)
      })
    }

    for (const [name, { reading, work }] of Object.entries(readersOf(scene))) {
      it(`is not found by ${name}`, async () => {
        const id = await shortSession(scene)
        const caller = scene.stoppedBefore(reading)
        const working = work(caller.options, id)
        await caller.reached
        await endsLate(scene, id)
        expect(await lateIn({ ...caller, working })).to.be.oneOf([null, undefined])
      })
    }
  })
})

function readersOf(scene: Scene): Record<string, { reading: Choice; work: Work }> {
  return {
    get: { reading: theLoad, work: (options, id) => scene.store(options).get(id) },
    readSession: { reading: theRead, work: (options, sessionId) => readSession({ ...options, sessionId }) },
    userSessions: {
      reading: theRead,
      work: (options) => first(scene.store(options).userSessions('alice')),
    },
    getUserSessions: {
      reading: theRead,
      work: (options) => first(getUserSessions({ ...options, userId: 'alice' })),
    },
    all: { reading: theRead, work: (options) => first(scene.store(options).all()) },
  }
}

describe('a session that is destroyed and made again while somebody reads again what has ended', () => {
  onEveryStage((scene) => {
    it('does not get the change of a late save', async () => {
      const id = await shortSession(scene)
      const late = scene.stoppedBefore(nth(2, theLoad))
      const session = await load(late.store, id)
      await atClock(2 * MINUTE, async () => {
        const saving = late.store.set(id, Object.assign(session, change))
        await makeAgain(scene, late, id)
        await saving
      })
      expect(await scene.record(id))
        .to.include({ is: 'new' })
        .and.not.have.property('role')
    })

    it('can be saved by who loads it', async () => {
      const id = await shortSession(scene)
      const reader = scene.stoppedBefore(nth(2, theLoad))
      await atClock(2 * MINUTE, async () => {
        const loading = load(reader.store, id)
        await makeAgain(scene, reader, id)
        await reader.store.set(id, Object.assign(await loading, change))
      })
      expect(await scene.record(id)).to.include({ is: 'new', ...change })
    })
  })
})

/** Destroys the session while its reader waits, and makes a new one under its id. */
async function makeAgain(
  scene: Scene,
  reader: ReturnType<Scene['stoppedBefore']>,
  id: string,
): Promise<void> {
  await reader.reached
  await reader.store.destroy(id)
  await scene.signIn('alice', { is: 'new' }, id)
  reader.release()
}

/** A session that ends in a minute, unless somebody moves its end. */
function shortSession(scene: Scene): Promise<string> {
  const data = { userId: 'alice', expires: inMs(MINUTE) }
  return createSession({ ...scene.options, sessionId: newId(), data })
}

/** Another request shortens the session. A touch that comes late keeps the key, but not the session. */
async function endsLate(scene: Scene, sessionId: string): Promise<void> {
  await updateSession({ ...scene.options, sessionId, data: { expires: inMs(MINUTE / 2) } })
  await scene.client.pExpireAt(scene.sessionKey(sessionId), Date.now() + HOUR, 'GT')
}

function isNotFound(error: unknown): void {
  expect(error).to.be.instanceOf(SessionNotFoundError)
}

async function prolong(scene: Scene, sessionId: string): Promise<void> {
  await updateSession({ ...scene.options, sessionId, data: { expires: inMs(HOUR) } })
}

function saveOne(scene: Scene): Work {
  return async (options, id) => {
    const store = scene.store(options)
    await store.set(id, Object.assign(await load(store, id), change))
  }
}

/** Begins work on a session, whose end moves while the work has not got its first record yet. */
async function readInTheMiddle(scene: Scene, reading: Choice, work: Work) {
  const id = await shortSession(scene)
  const reader = scene.stoppedAfter(reading)
  const working = work(reader.options, id)
  await Promise.race([reader.reached, working])
  await prolong(scene, id)
  return { id, reader: { ...reader, working } }
}

/** Lets the work go on after the end that the record said. */
function lateIn<T>({ release, working }: { release(): void; working: Promise<T> }): Promise<T> {
  return atClock(2 * MINUTE, async () => {
    release()
    return await working
  })
}

async function first<T>(list: Promise<readonly T[]>): Promise<T | undefined> {
  return (await list)[0]
}
