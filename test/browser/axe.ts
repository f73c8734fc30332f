/** The problems that axe finds on a page. */
import axe, { type AxeResults } from 'axe-core'
import { expect } from 'chai'
import type { Page } from 'playwright-core'

export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const results = (await page.evaluate(
    `axe.run(document, { rules: { 'target-size': { enabled: true } } })`,
  )) as AxeResults
  expect(results.passes.map(({ id }) => id)).to.include('color-contrast')
  return results.violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html }) => `${id}: ${help}: ${html}`),
  )
}
