/** The arguments and options of the command line. */
import { parseArgs } from 'node:util'

export const usage = `Usage: redis-user-sessions <command> [options]

Commands:
  list <user>               the user's sessions, most recently used first
  sign-out <user>           signs the user out everywhere
  sign-out <user> <handle>  signs out one session of the user, by the handle that list shows
  count                     how many sessions there are
  reindex                   lists sessions that another store wrote, such as connect-redis, in their users' indexes
  check                     looks for live sessions that are not listed, index entries without a session, and records that
                            nobody can read; it changes nothing

Options:
  --url <url>            Redis, such as rediss://user:password@host:6379/0; default REDIS_URL, else redis://localhost:6379
  --cluster              the URL is that of a node of a Redis Cluster
  --prefix <text>        what session keys begin with; default "session:"; connect-redis has "sess:"
  --user-prefix <text>   what index keys begin with; default that of the store with this prefix
  --repair               with check: lists the sessions, and removes the entries; unreadable records stay
  --json                 prints JSON
  -h, --help             prints this
  -v, --version          prints the version

Sessions are shown by their handles, never by their ids: nobody can sign in with a handle.

Exit codes:
  0  done, and nothing found wrong
  1  check found problems, or there is no such session
  2  wrong usage
  3  Redis does not answer, or refuses
`

export class UsageError extends Error {}

/** The least and the most arguments of each command. */
const commands = {
  list: [1, 1],
  'sign-out': [1, 2],
  count: [0, 0],
  reindex: [0, 0],
  check: [0, 0],
} as const

export type CommandName = keyof typeof commands

export interface CommandLine {
  command: CommandName
  args: string[]
  options: Options
}

export interface Options {
  url: string
  cluster: boolean
  prefix?: string | undefined
  'user-prefix'?: string | undefined
  repair: boolean
  json: boolean
}

/**
 * Parses the command line. Returns 'help' or 'version' if only that was asked for. A wrong usage throws a `UsageError`,
 * whose message shows no values.
 */
export function parse(argv: string[]): CommandLine | 'help' | 'version' {
  const { values, positionals } = parsed(argv)
  if (values.help) return 'help'
  if (values.version) return 'version'
  const [command, ...args] = positionals
  if (command === undefined) throw new UsageError('there is no command')
  if (!isCommand(command)) {
    throw new UsageError(`the command is unknown; known are ${Object.keys(commands).join(', ')}`)
  }
  const [least, most] = commands[command]
  if (args.length < least) throw new UsageError(`${command} needs a user id`)
  if (args.length > most) throw new UsageError(`${command} takes fewer arguments`)
  if (values.repair && command !== 'check') throw new UsageError('--repair is an option of check')
  return { command, args, options: values }
}

function isCommand(name: string): name is CommandName {
  return Object.hasOwn(commands, name)
}

function parsed(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        url: { type: 'string', default: process.env.REDIS_URL || 'redis://localhost:6379' },
        cluster: { type: 'boolean', default: false },
        prefix: { type: 'string' },
        'user-prefix': { type: 'string' },
        repair: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
        version: { type: 'boolean', short: 'v', default: false },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}
