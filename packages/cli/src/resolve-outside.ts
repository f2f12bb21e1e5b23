/**
 * Lets `mq run FILE` run a file that lies outside of the source tree: what is not found from there is looked for in the tree.
 *
 * R1. What the file's own folder has goes first.
 */
import { registerHooks } from 'node:module'

registerHooks({
  resolve: (specifier, context, next) => {
    try {
      return next(specifier, context)
    } catch (error) {
      const isPackage = !/^[./]|^[a-z]+:/.test(specifier)
      if (!isPackage || (error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
      try {
        return next(specifier, { ...context, parentURL: import.meta.url })
      } catch {
        // The first error names the file that wants it.
        throw error
      }
    }
  },
})
