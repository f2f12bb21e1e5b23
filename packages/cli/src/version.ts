/** The version of this package; all packages of mQ carry the same one. */
import { readFileSync } from 'node:fs'

const packageJson = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
export const VERSION: string = packageJson.version
