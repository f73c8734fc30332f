/**
 * The documentation is in plain English: its sentences are short, and it avoids phrases that readers had to read twice.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { ROOT } from './support/blocks.ts'
import { sentencesOf } from './support/prose.ts'

const MOST_WORDS = 30

/** Phrases to avoid, with better ones. */
const AVOIDED: [phrase: RegExp, instead: string][] = [
  [/\b(his|him)\b/i, "the user's"],
  [/\bwhere its data cannot tell\b/i, 'if the data does not name an owner'],
  [/\bwhere the record is not the expected one\b/i, 'on a mismatch'],
  [/\bwhere all that has changed\b/i, 'if nothing else has changed'],
  [/\bnothing needs to be looked for\b/i, 'no scan is needed'],
  [/\bno less would do\b/i, 'every rule is needed'],
  [/^where\b[^?]*\.$/i, 'a sentence that begins with "if" or "when"'],
]

const pages = [
  ...readdirSync(ROOT).filter((file) => file.endsWith('.md')),
  ...readdirSync(join(ROOT, 'docs'))
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
].sort()

describe('Plain English', () => {
  for (const page of pages) {
    const sentences = sentencesOf(readFileSync(join(ROOT, page), 'utf8'))

    it(`${page} has no sentence of more than ${MOST_WORDS} words`, () => {
      const long = sentences.filter(({ words }) => words > MOST_WORDS)
      expect(long.map(({ line, words, text }) => `${page}:${line} (${words} words) ${text}`)).to.deep.equal(
        [],
      )
    })

    it(`${page} has no phrase that the house avoids`, () => {
      const found = sentences.flatMap(({ line, text }) =>
        AVOIDED.filter(([phrase]) => phrase.test(text)).map(
          ([, instead]) => `${page}:${line} ${text}: write ${instead}`,
        ),
      )
      expect(found).to.deep.equal([])
    })
  }

  it('sentences are found in paragraphs, items, headings and cells, and not in code', () => {
    const page =
      '# A title\n\nOne, `two. three`\nfour. [Five](six.md)!\n\n- a b\n  c\n- d\n\n```js\nx\n```\n\n| e | f. g |\n|---|:-:|\n'
    expect(sentencesOf(page)).to.deep.equal([
      { line: 1, text: 'A title', words: 2 },
      { line: 3, text: 'One, code four.', words: 3 },
      { line: 3, text: 'Five!', words: 1 },
      { line: 6, text: 'a b c', words: 3 },
      { line: 8, text: 'd', words: 1 },
      { line: 14, text: 'e', words: 1 },
      { line: 14, text: 'f.', words: 1 },
      { line: 14, text: 'g', words: 1 },
    ])
  })
})
