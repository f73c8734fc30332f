/**
 * Makes the mutants of the Lua scripts: dropped statements, forced and inverted conditions, changed constants and
 * operators.
 */
import * as exported from '../../test/support/scripts.ts'

export interface LuaMutant {
  id: number
  /** The scripts that have the line. */
  scripts: string[]
  line: string
  from: string
  to: string
  /** The sources to use instead, by script name. */
  sources: Record<string, string>
}

type Replacement = [pattern: RegExp, to: string | string[]]

/** The replacements for each match of a pattern in a line. `$&` and groups work as in `String.replace`. */
const replacements: Replacement[] = [
  // Statements.
  [/^\s*(onKey|tidyIndex|ifThere|redis\.call|error)\(.*\)$/, ''],
  [/(?<=then )(onKey|tidyIndex|redis\.call)\(.*?\)(?= (else|end)\b)/, ''],
  [/(?<=else )(onKey|tidyIndex|redis\.call)\(.*?\)(?= end\b)/, ''],
  [/^\s*[\w.]+(\[[^\]]*\])? = .*$/, ''],
  [/(?<=then )[\w.]+ = [^=].*?(?= end\b)/, ''],
  // Conditions.
  [/(?<=\bif )(?!true|false).*?(?= then\b)/, ['true', 'false']],
  [/ and /, ' or '],
  [/ or /, ' and '],
  [/ or ((0|1|nil|'')(?![\w']))/, ''],
  [/'(GT|CH)', /, ''],
  [/\bnot /, ''],
  [/ == /, ' ~= '],
  [/ ~= /, ' == '],
  [/ <= /, [' < ', ' > ']],
  [/ < /, [' <= ', ' >= ']],
  [/ > /, [' >= ', ' <= ']],
  // Operators.
  [/ \+ /, ' - '],
  [/ - /, ' + '],
  [/ % /, ' * '],
  [/ \* /, ' / '],
  [/ \/ /, ' * '],
  [/(?<=[ (,])-(?=\w)/, ''],
  [/math\.floor(?=\()/, ''],
  [/math\.abs(?=\()/, ''],
  [/math\.max/, 'math.min'],
  [/redis\.pcall/, 'redis.call'],
  [/tonumber(?=\()/, ''],
  // Constants.
  [/(?<![\w.'#])0(?![\w.'])/, '1'],
  [/(?<![\w.'#])1(?![\w.'])/, ['0', '2']],
  [/(?<![\w.'#])(\d{2,}|[2-9])(?![\w.'])/, ['($& + 1)', '($& - 1)']],
  [/''/, "'x'"],
  [/'0'/, "'1'"],
  [/'1'/, "'0'"],
  [/'(full|enough|zset|string)'/, "'x'"],
  [/'GT', /, ['', "'LT', "]],
  [/'-inf'/, '0'],
]

export function luaMutants(): LuaMutant[] {
  const scripts = Object.values(exported).filter((value) => typeof value === 'object')
  const lines = new Map<string, { names: string[]; occurrence: number }>()
  for (const { name, source } of scripts) {
    const seen = new Map<string, number>()
    for (const line of source.split('\n')) {
      const occurrence = seen.get(line) ?? 0
      seen.set(line, occurrence + 1)
      if (line.trim() === '' || line.startsWith('--')) continue
      const at = `${partOf(source, line, occurrence)}\0${line}\0${occurrence}`
      const known = lines.get(at) ?? { names: [], occurrence }
      known.names.push(name)
      lines.set(at, known)
    }
  }
  const mutants: LuaMutant[] = []
  for (const [at, { names, occurrence }] of lines) {
    const line = at.split('\0')[1] as string
    for (const { from, to, mutated } of changesOf(line)) {
      const sources = Object.fromEntries(
        names.map((name) => {
          const { source } = scripts.find((each) => each.name === name) as { source: string }
          return [name, replaceLine(source, line, occurrence, mutated)]
        }),
      )
      mutants.push({ id: mutants.length, scripts: names, line: line.trim(), from, to, sources })
    }
  }
  return mutants
}

/** The helper function that a line is in; for a line of a script's own, the script. */
function partOf(source: string, line: string, occurrence: number): string {
  const lines = source.split('\n')
  const own = lines.find((each) => each.startsWith('-- redis-user-sessions ')) as string
  let part = own
  let seen = 0
  for (const each of lines) {
    if (each.startsWith('local function ')) part = each
    if (each === line && seen++ === occurrence) return part
    if (each === 'end') part = own
  }
  return part
}

function changesOf(line: string): { from: string; to: string; mutated: string }[] {
  const found = new Map<string, { from: string; to: string; mutated: string }>()
  for (const [pattern, to] of replacements) {
    for (const match of line.matchAll(new RegExp(pattern, 'g'))) {
      if (isPosition(line, match.index)) continue
      for (const pattern of [to].flat()) {
        const text = pattern.replaceAll('$&', match[0])
        const mutated = line.slice(0, match.index) + text + line.slice(match.index + match[0].length)
        if (mutated.trim() !== line.trim() && !found.has(mutated)) {
          found.set(mutated, { from: match[0].trim(), to: text.trim(), mutated })
        }
      }
    }
  }
  return [...found.values()]
}

/** Which key or argument is meant: another one fails at once, and would only make the score look better. */
function isPosition(line: string, index: number): boolean {
  if (/(onKey|ifThere|tidyIndex)\($/.test(line.slice(0, index))) return true
  return [...line.matchAll(/(KEYS|ARGV)\[[^\]]*\]/g)].some(
    (match) => index > match.index && index < match.index + match[0].length,
  )
}

function replaceLine(source: string, line: string, occurrence: number, mutated: string): string {
  let seen = 0
  return source
    .split('\n')
    .map((each) => (each === line && seen++ === occurrence ? mutated : each))
    .join('\n')
}
