/** Text that a browser would run if an app sent it as HTML. */
import { expect } from 'chai'

export const MARKUP = '<script>alert(1)</script>'

type Answer = { text: string; headers: Record<string, unknown> }

/** Checks that input is shown as text, as JSON, escaped, or not at all. */
export function expectNoMarkup({ text, headers }: Answer): void {
  if (!text.includes('<script')) return
  expect(headers['content-type']).to.match(/^(text\/plain|application\/json)\b/)
}
