/** Work that is started before its result is needed. */
import { expect } from 'chai'
import { startAhead } from '../../src/session/ahead.ts'

describe('startAhead', () => {
  it('yields all results in order, and starts the next two items before it yields', async () => {
    const log: string[] = []
    const start = async (item: number) => {
      log.push(`start ${item}`)
      return item * 10
    }
    for await (const result of startAhead([1, 2, 3, 4], start)) log.push(`got ${result}`)
    expect(log).to.deep.equal([
      'start 1',
      'start 2',
      'start 3',
      'got 10',
      'start 4',
      'got 20',
      'got 30',
      'got 40',
    ])
  })

  it('starts nothing for no items', async () => {
    const start = () => Promise.reject(new Error('started'))
    for await (const _ of startAhead([], start)) throw new Error('yielded')
  })

  it('fails where the failed item comes, whatever settles first', async () => {
    const seen: number[] = []
    const start = (item: number) => (item === 2 ? Promise.reject(new Error('second')) : Promise.resolve(item))
    const run = async () => {
      for await (const item of startAhead([1, 2, 3], start)) seen.push(item)
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
    it(`waits for the next items if the caller ${how}, and hides their errors`, async () => {
      const log: string[] = []
      const start = async (item: number) => {
        if (item === 1) return item
        await new Promise((resolve) => setImmediate(resolve))
        log.push(`${item} has ended`)
        throw new Error(`of ${item}`)
      }
      const run = async () => {
        for await (const _ of startAhead([1, 2, 3, 4], start)) if (!end()) return 'stopped'
        return 'ran to its end'
      }
      log.push(await run().catch((error) => error.message))
      expect(log).to.deep.equal(['2 has ended', '3 has ended', how === 'fails' ? 'of the caller' : 'stopped'])
    })
  }

  it('waits for the items that are under way if the next one cannot be had', async () => {
    const log: string[] = []
    async function* items() {
      yield 1
      throw new Error('no more')
    }
    const start = async () => {
      await new Promise((resolve) => setImmediate(resolve))
      log.push('1 has ended')
    }
    const run = async () => {
      for await (const _ of startAhead(items(), start)) log.push('yielded')
    }
    log.push(await run().catch((error) => error.message))
    expect(log).to.deep.equal(['1 has ended', 'no more'])
  })
})
