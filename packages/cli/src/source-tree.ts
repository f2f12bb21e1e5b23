/** Where the source tree of mQ is: `demo`, `test` and `measure` run programs of it. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export function sourceTree(): string {
  return join(fileURLToPath(new URL('.', import.meta.url)), '..', '..', '..')
}
