/** The environment of a result. */
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { withServer } from './server.ts'

export interface Environment {
  /** Names the files of its results, such as `node-20-redis-7.0`. */
  id: string
  /** For a person, such as `Node 20.20.2, Redis 7.0.15`. */
  title: string
  machine: string
  versions: Record<string, string>
}

export async function environment(): Promise<Environment> {
  const server = await withServer(async ({ version }) => version)
  const node = process.versions.node
  const { model, count } = processor()
  return {
    id: `node-${major(node)}-${server.toLowerCase().replace(/ (\d+\.\d+).*/, '-$1')}`,
    title: `Node ${node}, ${server}`,
    machine: `${count} cores of ${model}`,
    versions: {
      'connect-redis': versionOf('connect-redis'),
      redis: versionOf('redis'),
      'express-session': versionOf('express-session'),
    },
  }
}

function major(version: string): string {
  return version.slice(0, version.indexOf('.'))
}

function processor(): { model: string; count: number } {
  const all = cpus()
  return { model: all[0]?.model.trim() || 'an unnamed processor', count: all.length }
}

function versionOf(name: string): string {
  const file = join(import.meta.dirname, '../../node_modules', name, 'package.json')
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
