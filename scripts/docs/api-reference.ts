/**
 * Makes docs/api.md from the sources: the exports of src/index.ts, as the compiler declares them, with their
 * docstrings. TypeDoc was tried, but it shows "object" for `options: FunctionOptions & { … }`, and it drops the error
 * that `@throws` names.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

const HEAD = `# API reference

Everything that \`redis-user-sessions\` exports, from its docstrings (\`npm run docs\` writes this page). The
[list of pages](README.md) explains how the parts belong together.
`

type Declaration = { kind: string; name: string; doc: string; code: string }

const SECTIONS: [title: string, kinds: string[]][] = [
  ['Functions', ['function']],
  ['Classes', ['class']],
  ['Types', ['interface', 'type']],
]

export function apiReference(): string {
  const found = declarations()
  const sections = SECTIONS.map(([title, kinds]) => {
    const members = found.filter(({ kind }) => kinds.includes(kind)).sort(storeFirst)
    return [`## ${title}`, ...members.map((member) => entry(member, found))].join('\n\n')
  })
  return `${[HEAD.trimEnd(), ...sections].join('\n\n')}\n`
}

/** The exported names in the order of src/index.ts. */
export function exportedNames(): string[] {
  const index = readFileSync(join(root, 'src/index.ts'), 'utf8')
  return [...index.matchAll(/\{([^}]*)\}/g)].flatMap(([, names]) =>
    (names as string)
      .split(',')
      .map((name) => name.replace('type ', '').trim())
      .filter(Boolean),
  )
}

function declarations(): Declaration[] {
  const directory = mkdtempSync(join(tmpdir(), 'api-reference-'))
  try {
    runBin('typescript/bin/tsc', '-p', join(root, 'tsconfig.build.json'), '--outDir', directory)
    copyFileSync(join(root, 'biome.json'), join(directory, 'biome.json'))
    runBin('@biomejs/biome/bin/biome', 'format', '--write', '--vcs-enabled=false', directory)
    const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.d.ts'),
    )
    const all = files.flatMap((file) => declarationsIn(readFileSync(join(directory, file), 'utf8')))
    return exportedNames().flatMap((name) => {
      const declared = all.filter((declaration) => declaration.name === name)
      if (declared.length === 0) throw new Error(`there is no declaration of ${name}`)
      return declared
    })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function runBin(path: string, ...args: string[]): void {
  execFileSync(process.execPath, [join(root, 'node_modules', path), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/** The exported statements of a formatted declaration file. */
function declarationsIn(text: string): Declaration[] {
  return statements(text, '').flatMap(({ doc, code }) => {
    const [, kind, name] = /^export (?:declare )?(function|class|interface|type) (\w+)/.exec(code) ?? []
    return kind && name ? [{ kind, name, doc, code: code.replace(/^export (declare )?/, '') }] : []
  })
}

/** Splits formatted code at lines with this indentation. Each part includes the comment before it. */
function statements(text: string, indent: string): { doc: string; code: string }[] {
  const starts = new RegExp(`^${indent}(?![\\s})\\]])`)
  const found: { doc: string; code: string }[] = []
  let doc: string[] = []
  let inComment = false
  for (const line of text.split('\n')) {
    if (line.startsWith(`${indent}/**`)) [doc, inComment] = [[], true]
    if (inComment) {
      doc.push(line)
      if (line.endsWith('*/')) inComment = false
    } else if (starts.test(line)) {
      found.push({ doc: commentText(doc), code: line.slice(indent.length) })
      doc = []
    } else if (found.length > 0) {
      const last = found.at(-1) as { code: string }
      last.code += `\n${line.slice(indent.length)}`
    }
  }
  return found.map(({ doc, code }) => ({ doc, code: code.trimEnd() }))
}

function commentText(lines: string[]): string {
  return lines
    .map((line) => line.replace(/^\s*(\/\*\*|\*\/|\*) ?/, '').replace(/ ?\*\/$/, ''))
    .join('\n')
    .trim()
}

function entry(declaration: Declaration, all: Declaration[]): string {
  const { kind, name, doc, code } = declaration
  // An interface of the same name adds to a class.
  if (kind === 'interface' && all.some((other) => other.kind === 'class' && other.name === name)) {
    return `### ${name} (interface)\n\n${prose(doc)}\n\n${fence(code)}`
  }
  const parts = [`### ${name}`, prose(doc)]
  if (kind === 'class' && !/ extends \w*Error\b/.test(code)) parts.push(...classMembers(code))
  else parts.push(fence(code.replace(/^ {2}#private\n/gm, '')))
  return parts.filter(Boolean).join('\n\n')
}

function classMembers(code: string): string[] {
  const [first = '', ...lines] = code.split('\n')
  const members = statements(lines.join('\n'), '  ').filter(
    ({ code }) => !/^(#private|private |override )/.test(code),
  )
  const names = [...new Set(members.map(memberName))]
  const entries = names.flatMap((name) => {
    const same = members.filter((member) => memberName(member) === name)
    return [
      `#### ${name}`,
      fence(same.map(({ code }) => code).join('\n')),
      ...same.map(({ doc }) => prose(doc)),
    ]
  })
  return [fence(`${first.replace(/ \{$/, '')}`), ...entries.filter(Boolean)]
}

function memberName({ code }: { code: string }): string {
  return /^(?:(?:get|set|readonly|static) )?(\w+)/.exec(code)?.[1] ?? code
}

function fence(code: string): string {
  return `\`\`\`ts\n${code}\n\`\`\``
}

/** The text of a docstring, and its tags as a list. */
function prose(doc: string): string {
  const [text = '', ...tags] = doc.split(/^@/m)
  const items = tags.map((tag) => {
    const [, name = '', rest = ''] = /^(\w+)\s+([\s\S]*)$/.exec(tag.trim()) ?? []
    const [, subject = '', what = rest] = /^(?:\{(?=[\w.]+\}))?([\w.]+)\}?\s+([\s\S]*)$/.exec(rest) ?? []
    if (name === 'returns') return `- Resolves to: ${rest.replace(/\n/g, '\n  ')}`
    if (name === 'throws') return `- Fails with \`${subject}\` ${what.replace(/\n/g, '\n  ')}`
    return `- \`${subject}\`: ${what.replace(/\n/g, '\n  ')}`
  })
  return [text.trim(), items.join('\n')].filter(Boolean).join('\n\n')
}

function storeFirst(a: Declaration, b: Declaration): number {
  return Number(b.name === 'UserSessionStore') - Number(a.name === 'UserSessionStore')
}
