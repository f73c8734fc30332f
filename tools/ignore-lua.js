/** Lua is a string to Stryker, which would only empty it: `npm run mutation:lua` mutates it instead. */
import { declareValuePlugin, PluginKind } from '@stryker-mutator/api/plugin'

export const strykerPlugins = [
  declareValuePlugin(PluginKind.Ignore, 'lua', {
    shouldIgnore(path) {
      const isLua = path.isTemplateLiteral() && /redis\.p?call|onKey\(/.test(path.node.quasis[0].value.raw)
      return isLua ? 'Lua has a mutator of its own' : undefined
    },
  }),
]
