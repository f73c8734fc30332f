import { findRedis } from './test/support/redis-server.ts'
import { createClient } from 'redis'
import { createServer } from 'node:http'
import { createApp } from './examples/express-app/app.ts'
import { createStore } from './examples/express-app/store.ts'
import { demoUsers, Users } from './examples/express-app/users.ts'
import { launchChromium, PHONE, DESKTOP, IPHONE, MACBOOK, WINDOWS } from './test/browser/device.ts'
const redis = await { url: process.env.REDIS_URL!, stop: async () => {} }
const client = await createClient({ url: redis.url }).connect()
const store = createStore(client as any)
const users = await Users.create(demoUsers, { N: 2 })
const app = createApp({ store, client: client as any, users, secret: 'x', demoUsers, publicUrl: 'http://x', notify: () => {}, describePlace: (ip) => (ip.startsWith('203') ? 'Lisbon, Portugal' : undefined) })
const server = createServer(app).listen(4811)
const url = 'http://localhost:4811'
const [, grace] = demoUsers
const DAY = 86400000
for (const [i, [ua, ip, s, a]] of ([[IPHONE, '198.51.100.23', 9 * DAY, 12 * 60000], [WINDOWS, '203.0.113.146', DAY / 4, DAY / 8], ['Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1', '2001:db8::8a2e:370:7334', 24 * DAY, 5 * DAY]] as const).entries()) {
  await store.set(`s-${i}`, { cookie: { originalMaxAge: 30 * DAY, expires: new Date(Date.now() - a + 30 * DAY) }, userId: grace.id, role: grace.role, newBrowser: i === 1, signedInAt: new Date(Date.now() - s).toISOString(), userAgent: ua, ip } as any)
}
const browser = await launchChromium()
const OUT = '/tmp/shots/'
for (const [name, viewport, colorScheme, big] of [['desktop', DESKTOP, 'light'], ['phone', PHONE, 'dark'], ['big', { width: 320, height: 640 }, 'light', true]] as const) {
  const ctx = await browser.newContext({ userAgent: MACBOOK, viewport, colorScheme, extraHTTPHeaders: { 'X-Forwarded-For': '203.0.113.7' } })
  const page = await ctx.newPage()
  page.on('console', (m) => m.type() === 'error' && console.log(name, m.text()))
  if (big) { const cdp = await ctx.newCDPSession(page); await cdp.send('Page.setFontSizes', { fontSizes: { standard: 32, fixed: 26 } }) }
  const shot = async (what: string) => {
    const over = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
    const focus = await page.evaluate('document.activeElement.outerHTML.slice(0,60)')
    console.log(name, what, over, focus)
    await page.screenshot({ path: `${OUT}${what}-${name}.png`, fullPage: true })
  }
  await page.goto(url + '/sign-in'); await shot('sign-in')
  const signIn = async (user: string, password: string) => { await page.getByLabel('Name').fill(user); await page.getByLabel('Password').fill(password); await page.getByRole('main').getByRole('button', { name: 'Sign in' }).click() }
  await signIn('grace', 'wrong'); await page.waitForLoadState(); await shot('sign-in-wrong')
  await signIn('grace', grace.password); await page.waitForURL('**/account'); await page.goto(url + '/account'); await shot('account')
  await page.getByRole('link', { name: 'Chrome on Windows', exact: true }).click(); await page.waitForLoadState(); await shot('session')
  await page.goto(url + '/account/history'); await shot('history')
  await page.goto(url + '/account/password'); await page.getByLabel('Current password').fill('x'); await page.getByLabel('New password', { exact: true }).fill('x'); await page.getByLabel('New password, once').fill('y'); await page.getByRole('button', { name: 'Change password' }).click(); await page.waitForLoadState(); await shot('password-wrong')
  await page.goto(url + '/account'); await page.getByRole('link', { name: 'Sign out Safari on iPhone' }).click(); await shot('one')
  await page.goto(url + '/account/sign-out-others'); await shot('others')
  await page.goto(url + '/account/sign-out-everywhere'); await shot('everywhere')
  await page.goto(url + '/account/confirm?next=/account/sign-out-everywhere'); await shot('confirm')
  await page.goto(url + '/nowhere'); await shot('404')
  await page.goto(url + '/account/sessions/x'); await shot('flash')
  await page.getByRole('banner').getByRole('button', { name: 'Sign out' }).click(); await page.waitForURL('**/sign-in'); 
  await signIn('alan', demoUsers[2].password); await page.waitForURL('**/account'); await shot('empty')
  await page.getByRole('banner').getByRole('button', { name: 'Sign out' }).click(); await page.waitForURL('**/sign-in');
  await signIn('ada', demoUsers[0].password); await page.waitForURL('**/account'); await page.goto(url + '/admin'); await shot('admin')
  await page.getByRole('button', { name: 'Save the role of grace' }).click(); await page.waitForLoadState(); await shot('admin-saved')
  await page.goto(url + '/admin/users/2/sign-out'); await shot('admin-one')
  await ctx.close()
}
await browser.close(); server.close(); server.closeAllConnections(); await store.close().catch(() => {}); await client.flushDb(); await client.close(); await redis.stop()
