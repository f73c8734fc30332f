/**
 * Keeps an open page up to date: the devices, the role, the times, and whether this browser is still signed in.
 * All pages also work without this script. Then they show the state at their loading.
 */
import { timeInWords } from './times.js'

const SOON = 500
const RETRY = 3_000
const READ_FOR = 10_000
const TIMES_MOVE_EVERY = 20_000

const list = document.getElementById('devices')
const news = document.getElementById('news')

let events
let leaving = false
let lost = false

function listen() {
  if (events || leaving || document.hidden) return
  events = new EventSource('/account/events')
  events.addEventListener('devices', update)
  events.addEventListener('role', askState)
  events.addEventListener('signed-out', leave)
  events.onopen = () => {
    if (lost) say('Connected again.')
    lost = false
    // Something may have changed before these events.
    update()
  }
  // It connects again by itself, unless the server has refused.
  events.onerror = () => {
    if (events?.readyState !== EventSource.CLOSED) return
    stop()
    // Not at once: a page that is left loses its events, too.
    setTimeout(askState, SOON)
  }
}

// Browsers allow few connections to one server, and a hidden page needs none.
function stop() {
  events?.close()
  events = undefined
}

/** The server chooses the page: the sign-in page with the reason, or the devices under a new session. */
function leave() {
  if (leaving) return
  leaving = true
  stop()
  location.assign('/account')
}

/** Only a 401 means signed out. Any other refusal is an outage, which ends. */
async function askState() {
  const response = await fetch('/account/state').catch(() => undefined)
  if (leaving) return
  if (response?.status === 401) return leave()
  if (!response?.ok) {
    if (!lost) say('No connection at the moment. This page may be out of date.')
    lost = true
    stop()
    setTimeout(listen, RETRY)
    return
  }
  const { role } = await response.json()
  showRole(role)
  listen()
}

function showRole(role) {
  const shown = document.getElementById('role')
  if (shown.textContent === role) return
  shown.textContent = role
  document.getElementById('admin-link').hidden = role !== 'admin'
  say(`Your role is ${role} now.`)
  if (role !== 'admin' && location.pathname.startsWith('/admin')) location.reload()
}

// A screen reader reads a text when it appears.
let unsay
function say(text) {
  clearTimeout(unsay)
  news.textContent = text
  unsay = setTimeout(() => {
    news.textContent = ''
  }, READ_FOR)
}

// The list

let known = list && namesIn(list)
let updates = 0
let fresh

async function update() {
  if (!list) return
  const mine = ++updates
  const response = await fetch('/account/devices').catch(() => undefined)
  if (!response?.ok) return
  const page = new DOMParser().parseFromString(await response.text(), 'text/html')
  if (mine !== updates) return
  const names = namesIn(page.body)
  const text = [...changes(known, names, 'is signed out.'), ...changes(names, known, 'signed in.')].join(' ')
  known = names
  if (text) say(text)
  fresh = page.body
  show()
}

/** Waits while the pointer is on a link. Otherwise another link could move under the pointer. */
function show() {
  if (!fresh || list.querySelector('a:hover')) return
  refreshTimes(fresh)
  const hadFocus = list.contains(document.activeElement)
  merge(list, fresh)
  fresh = undefined
  // The device that had the focus is gone.
  if (hadFocus && !list.contains(document.activeElement)) {
    document.querySelector('h1').focus({ preventScroll: true })
  }
}

/** Leaves out this browser, because a new password gives it a new session. */
function namesIn(root) {
  const devices = root.querySelectorAll('.device:not([aria-current])')
  return new Map([...devices].map(({ dataset }) => [dataset.key, dataset.name]))
}

const changes = (from, to, what) =>
  [...from].filter(([key]) => !to.has(key)).map(([, name]) => `${name} ${what}`)

/** Makes `old` equal to `next`. The elements around the focus stay, so the focus stays too. */
function merge(old, next) {
  const focused = [...old.children].find((child) => child.contains(document.activeElement))
  const same = focused && [...next.children].find((child) => keyOf(child) === keyOf(focused))
  if (!same) return old.replaceChildren(...next.childNodes)
  merge(focused, same)
  while (focused.previousSibling) focused.previousSibling.remove()
  while (focused.nextSibling) focused.nextSibling.remove()
  const nodes = [...next.childNodes]
  const place = nodes.indexOf(same)
  focused.before(...nodes.slice(0, place))
  focused.after(...nodes.slice(place + 1))
}

const keyOf = ({ dataset, tagName }) => dataset.key ?? tagName

// The times

const local = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' })

function refreshTimes(root = document) {
  for (const time of root.querySelectorAll('time')) {
    const date = new Date(time.dateTime)
    const isExact = time.classList.contains('exact')
    time.textContent = isExact ? local.format(date) : timeInWords(date)
    if (!isExact) time.title = local.format(date)
  }
}

list?.addEventListener('pointerout', () => requestAnimationFrame(show))
document.addEventListener('visibilitychange', () => {
  if (document.hidden) return stop()
  refreshTimes()
  listen()
})
addEventListener('pageshow', ({ persisted }) => {
  if (!persisted) return
  leaving = false
  listen()
})
addEventListener('pagehide', stop)
// The answer to a form chooses the next page.
document.addEventListener('submit', () => {
  leaving = true
  stop()
})
setInterval(refreshTimes, TIMES_MOVE_EVERY)
refreshTimes()
listen()
