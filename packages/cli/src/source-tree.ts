/**
 * Where the source tree of mQ is: `demo`, `run`, `test`, `measure`, `docs` and `pack` run programs of it.
 *
 * S1. An installed command has no source tree: these are no commands of it.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export function sourceTree(): string {
  return join(fileURLToPath(new URL('.', import.meta.url)), '..', '..', '..')
}

export function hasSourceTree(): boolean {
  return existsSync(join(sourceTree(), 'scripts', 'test.ts'))
}
