/**
 * Keeps the page up to date while it is in sight: the list of devices, and whether this browser is still signed in. Without this script
 * all pages work as well, and say what was true when they were loaded.
 */
let events
let leaving = false

function listen() {
  if (events || leaving || document.hidden) return
  events = new EventSource('/account/events')
  events.addEventListener('devices', update)
  events.addEventListener('signed-out', leave)
  let wasOpen = false
  events.onopen = () => {
    if (wasOpen) update()
    wasOpen = true
  }
  // It connects again by itself, except where the server has refused: nobody is signed in here any more.
  events.onerror = () => {
    if (events?.readyState === EventSource.CLOSED) leave()
  }
}

// Browsers allow few connections to one server: a page that nobody sees needs none.
function stop() {
  events?.close()
  events = undefined
}

/** The server knows where to: to the sign-in page, which says why, or back to the devices under a new session. */
function leave() {
  if (leaving) return
  leaving = true
  stop()
  location.assign('/account')
}

async function update() {
  const list = document.getElementById('devices')
  if (!list) return
  const response = await fetch('/account/devices')
  if (!response.ok) return
  const page = new DOMParser().parseFromString(await response.text(), 'text/html')
  const focused = document.activeElement?.getAttribute('href')
  list.replaceChildren(...page.body.children)
  document.getElementById('news').textContent = list.querySelector('.lead').textContent
  for (const link of list.querySelectorAll('a')) if (link.getAttribute('href') === focused) link.focus()
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) return stop()
  listen()
  update()
})
addEventListener('pageshow', ({ persisted }) => {
  if (!persisted) return
  leaving = false
  listen()
})
addEventListener('pagehide', stop)
// A form's own answer says where to go next.
document.addEventListener('submit', () => {
  leaving = true
  stop()
})
listen()
