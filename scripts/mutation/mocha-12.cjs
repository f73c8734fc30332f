/** Stryker's Mocha runner loads files of Mocha without their extension. Since Mocha 12 the extension is `.cjs`. */
const Module = require('node:module')
const { readFileSync } = require('node:fs')

Module._extensions['.cjs'] ??= (module, path) => module._compile(readFileSync(path, 'utf8'), path)
