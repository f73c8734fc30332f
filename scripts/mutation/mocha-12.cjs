/** Stryker's Mocha runner asks for Mocha's own files without their extension, which is `.cjs` since Mocha 12. */
const Module = require('node:module')
const { readFileSync } = require('node:fs')

Module._extensions['.cjs'] ??= (module, path) => module._compile(readFileSync(path, 'utf8'), path)
