/** Shell commands of the documentation that belong to no program, and the checks that run them. */
export const shellCommands: Record<string, string> = {
  'npm ci && npm start': 'test/example/server.test.ts starts the example; .ci/run installs',
  'npm ci && npm test': 'the steps dependencies and suite of .ci/run',
  'npm install redis-user-sessions redis express-session':
    'check_loading of scripts/check-package.sh, with the tarball',
  'npm install && npm start': 'scripts/check-example.ts, with the tarball',
  'docker compose up': 'nobody yet: the image installs the published package',
  'npm install': 'test/docs/reindex.test.ts runs the script, with the packages of this checkout',
  'npm start -- --url redis://localhost:6379 --prefix sess:': 'test/docs/reindex.test.ts',
}
