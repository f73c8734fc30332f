/** Builds the package from src: as ES modules in dist/esm, and as CommonJS in dist/cjs. */
import { execFileSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

rmSync(dist, { recursive: true, force: true })
compile('tsconfig.build.json')
compile('tsconfig.build-cjs.json')
writeFileSync(join(dist, 'cjs/package.json'), '{ "type": "commonjs" }\n')
keepDeclarations(reachable(Object.values(exports).flatMap((entry) => entry.import?.types ?? [])))

function compile(project) {
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  execFileSync(process.execPath, [compiler, '-p', join(root, project)], { stdio: 'inherit' })
}

/** Returns the declaration files that users can reach from the entry points. */
function reachable(entries) {
  const files = new Set(entries.map((entry) => join(root, entry)))
  for (const file of files) {
    for (const [, name] of readFileSync(file, 'utf8').matchAll(
      /(?:from|import\() ?['"](\.[^'"]+)\.ts['"]/g,
    )) {
      files.add(join(dirname(file), `${name}.d.ts`))
    }
  }
  return files
}

/** Deletes all other declarations. The CommonJS build has the same files. */
function keepDeclarations(files) {
  const all = readdirSync(dist, { recursive: true }).filter((name) => name.endsWith('.d.ts'))
  for (const file of all.map((name) => join(dist, name))) if (!files.has(file)) rmSync(file)
  for (const file of files) cpSync(file, join(dist, 'cjs', file.slice(join(dist, 'esm').length)))
}
