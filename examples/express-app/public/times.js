/** "2 hours ago": for the server's pages, and for the browser, which updates them. */

const UNITS = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
]

const relative = new Intl.RelativeTimeFormat('en')

export function timeInWords(date, now = Date.now()) {
  const seconds = (now - date.getTime()) / 1000
  for (const [unit, length] of UNITS) {
    if (seconds >= length) return relative.format(-Math.floor(seconds / length), unit)
  }
  return 'just now'
}
