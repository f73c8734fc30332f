/** A browser with its own cookies, and the actions of its user. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from 'playwright-core'
import { eventually } from '../support/eventually.ts'
import type { Site } from './site.ts'

export const MACBOOK =
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15'
export const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1'
export const WINDOWS =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36'
export const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0'

export const PHONE = { width: 375, height: 740 }
export const DESKTOP = { width: 1280, height: 800 }

export type Look = {
  userAgent?: string
  viewport?: { width: number; height: number }
  colorScheme?: 'light' | 'dark'
  javaScriptEnabled?: boolean
  ip?: string
  timezoneId?: string
}

// Code that runs in the page. It is a string, because a Node project has no types of a browser.
const FOCUSED_TEXT = `(() => {
  const { activeElement } = document
  if (activeElement === document.body) return '(the page)'
  return (activeElement.labels?.[0] ?? activeElement).innerText.trim().replace(/\\s+/g, ' ')
})()`

const ARGS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export function launchChromium(): Promise<Browser> {
  // As root, for instance in a container, Chromium's sandbox does not work.
  const args = process.getuid?.() === 0 ? [...ARGS, '--no-sandbox'] : ARGS
  // Playwright's listeners would keep this process alive after a signal. Chromium ends by itself when its pipe closes.
  const signals = { handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false }
  return chromium.launch({ executablePath: chromiumPath(), args, ...signals })
}

export function chromiumPath(env = process.env): string {
  const { CHROMIUM_PATH, PATH = '' } = env
  const names = ['chromium', 'chromium-browser', 'google-chrome']
  const onPath = names.flatMap((name) => PATH.split(delimiter).map((folder) => join(folder, name)))
  const found = (CHROMIUM_PATH ? [CHROMIUM_PATH] : onPath).find(isExecutable)
  if (found) return found
  throw new Error(
    CHROMIUM_PATH
      ? `CHROMIUM_PATH is ${CHROMIUM_PATH}, which is not a program`
      : `The browser tests need one of ${names.join(', ')} on the PATH (Debian: apt-get install chromium), or CHROMIUM_PATH`,
  )
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

export class Device {
  readonly page: Page
  readonly #context: BrowserContext
  readonly #site: Site

  static async open(browser: Browser, site: Site, look: Look = {}): Promise<Device> {
    const { ip = '192.0.2.10', ...options } = look
    const context = await browser.newContext({
      userAgent: WINDOWS,
      viewport: DESKTOP,
      locale: 'en',
      extraHTTPHeaders: { 'X-Forwarded-For': ip },
      ...options,
    })
    return new Device(site, context, await context.newPage())
  }

  private constructor(site: Site, context: BrowserContext, page: Page) {
    this.#site = site
    this.#context = context
    this.page = page
    page.setDefaultTimeout(10_000)
  }

  /** Uses the cookie of a session that `Site.signIn` has created. */
  async take(cookie: string): Promise<void> {
    await this.#context.clearCookies()
    await this.#context.addCookies([{ name: 'sid', value: encodeURIComponent(cookie), url: this.#site.url }])
  }

  forgetCookies(): Promise<void> {
    return this.#context.clearCookies()
  }

  /** Tries again until a page with this heading appears. */
  untilBack(tryAgain: () => Promise<void>, heading: string): Promise<unknown> {
    return eventually(heading, async () => {
      const page = this.page.waitForEvent('domcontentloaded')
      await Promise.all([page, tryAgain()])
      return (await this.heading()) === heading
    })
  }

  /** Acts like a user who looks at another page in between, so that the page connects again. */
  async hideAndShow(): Promise<void> {
    for (const hidden of [true, false]) {
      await this.page.evaluate(`
        Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true })
        document.dispatchEvent(new Event('visibilitychange'))`)
    }
  }

  /** Clicks twice on the same place. The second click happens after `between`, on whatever the page shows then. */
  async doubleClick(what: Locator, between: () => Promise<unknown>): Promise<void> {
    // A page accepts clicks a moment after it has appeared.
    await what.click({ trial: true })
    const box = await what.boundingBox()
    if (!box) throw new Error('There is nothing to click')
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2]
    // This does not wait for the result of the first click, because users do not wait either.
    const devtools = await this.#context.newCDPSession(this.page)
    const click = (clickCount: number) =>
      (['mousePressed', 'mouseReleased'] as const).map((type) =>
        devtools.send('Input.dispatchMouseEvent', { type, x, y, button: 'left', clickCount }),
      )
    const first = click(1)
    await between()
    await Promise.all([...first, ...click(2)])
  }

  /** Every page stays in the first moment of its animations, until the function is called to which it resolves. */
  async stopAnimations(): Promise<() => Promise<unknown>> {
    const devtools = await this.#context.newCDPSession(this.page)
    const play = (playbackRate: number) => devtools.send('Animation.setPlaybackRate', { playbackRate })
    await devtools.send('Animation.enable')
    await play(0)
    return () => play(1)
  }

  /** Never while a page turns by itself: Chromium then waits for its "pagehide" forever. Wait for the page first. */
  close(): Promise<void> {
    return this.#context.close()
  }

  /** Another page of this browser. */
  async tab(): Promise<Page> {
    return this.#context.newPage()
  }

  async open(path: string): Promise<void> {
    await this.page.goto(this.#site.url + path)
  }

  /** The path of the page that is shown. */
  get path(): string {
    return new URL(this.page.url()).pathname
  }

  async signIn({ name, password }: { name: string; password: string }, { remember = false } = {}) {
    await this.open('/sign-in')
    await this.page.getByLabel('Name').fill(name)
    await this.page.getByLabel('Password').fill(password)
    if (remember) await this.page.getByLabel('Remember me').check()
    await this.press('Sign in')
  }

  /** Presses a button of the page itself, not of its header. */
  press(name: string): Promise<void> {
    return this.#click(this.page.getByRole('main').getByRole('button', { name, exact: true }))
  }

  follow(name: string): Promise<void> {
    return this.#click(this.page.getByRole('link', { name, exact: true }))
  }

  /** The button in the header. */
  signOut(): Promise<void> {
    return this.#click(this.page.getByRole('banner').getByRole('button', { name: 'Sign out' }))
  }

  /** Every link and button opens a page. */
  async #click(what: Locator): Promise<void> {
    const page = this.page.waitForEvent('domcontentloaded')
    await Promise.all([page, what.click()])
  }

  /** The pointer away from everything: the list does not move while a link is under it. */
  pointNowhere(): Promise<void> {
    return this.page.mouse.move(0, 0)
  }

  /**
   * Resolves to the element with the keyboard's focus: its text, or the label of a field. The browser moves the focus to
   * an element with `autofocus` only when it draws the page, which may be after the page's `load` event.
   */
  async focused(): Promise<string> {
    await this.page.locator(':focus').waitFor({ state: 'attached' })
    return this.focusedNow()
  }

  /** Same as `focused`, but resolves to '(the page)' if no element has the focus. */
  focusedNow(): Promise<string> {
    return this.page.evaluate(FOCUSED_TEXT)
  }

  /** How far the page can be scrolled sideways. */
  overflow(): Promise<number> {
    return this.page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
  }

  /** Sets the font size like in the settings of a browser, in px. 16 is usual. */
  async setFontSize(standard: number): Promise<void> {
    const devtools = await this.#context.newCDPSession(this.page)
    await devtools.send('Page.setFontSizes', { fontSizes: { standard, fixed: Math.round(standard * 0.8) } })
  }

  async fill(fields: Record<string, string>): Promise<void> {
    for (const [label, value] of Object.entries(fields)) {
      await this.page.getByLabel(label, { exact: true }).fill(value)
    }
  }

  heading(): Promise<string> {
    return this.page.getByRole('heading', { level: 1 }).innerText()
  }

  text(): Promise<string> {
    return this.page.getByRole('main').innerText()
  }

  /** The devices in the list that is shown, in its order. */
  shown(): Promise<string[]> {
    return this.page.getByRole('listitem').getByRole('heading').getByRole('link').allInnerTexts()
  }

  async devices(): Promise<string[]> {
    await this.open('/account')
    return this.shown()
  }

  async isSignedIn(): Promise<boolean> {
    await this.open('/account').catch(async (error) => {
      // If the session has just ended, the page goes to the sign-in page by itself, which may interrupt this navigation.
      if (!String(error).includes('interrupted by another navigation')) throw error
      await this.page.waitForURL(/\/sign-in/)
    })
    return this.path === '/account'
  }

  async cookie() {
    const cookies = await this.#context.cookies()
    return cookies.find(({ name }) => name === 'sid')
  }
}
