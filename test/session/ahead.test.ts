/** Work that is started before its result is needed. */
import { expect } from 'chai'
import { oneAhead } from '../../src/session/ahead.ts'

describe('oneAhead', () => {
  it('yields all results in order, and starts the next item before it yields', async () => {
    const log: string[] = []
    const start = async (item: number) => {
      log.push(`start ${item}`)
      return item * 10
    }
    for await (const result of oneAhead([1, 2, 3], start)) log.push(`got ${result}`)
    expect(log).to.deep.equal(['start 1', 'start 2', 'got 10', 'start 3', 'got 20', 'got 30'])
  })

  it('starts nothing for no items', async () => {
    const start = () => Promise.reject(new Error('started'))
    for await (const _ of oneAhead([], start)) throw new Error('yielded')
  })

  it('fails where the failed item comes, whatever settles first', async () => {
    const seen: number[] = []
    const start = (item: number) => (item === 2 ? Promise.reject(new Error('second')) : Promise.resolve(item))
    const run = async () => {
      for await (const item of oneAhead([1, 2, 3], start)) seen.push(item)
    }
    expect(await run().catch((error) => error.message)).to.equal('second')
    expect(seen).to.deep.equal([1])
  })

  for (const [how, end] of [
    ['stops early', () => false],
    [
      'fails',
      () => {
        throw new Error('of the caller')
      },
    ],
  ] as const) {
    it(`waits for the next item if the caller ${how}, and hides its error`, async () => {
      const log: string[] = []
      const start = async (item: number) => {
        if (item === 1) return item
        await new Promise((resolve) => setImmediate(resolve))
        log.push('the next item has ended')
        throw new Error('of the next item')
      }
      const run = async () => {
        for await (const _ of oneAhead([1, 2], start)) if (!end()) return 'stopped'
        return 'ran to its end'
      }
      log.push(await run().catch((error) => error.message))
      expect(log).to.deep.equal(['the next item has ended', how === 'fails' ? 'of the caller' : 'stopped'])
    })
  }
})
