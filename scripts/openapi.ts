/**
 * The OpenAPI document of the control plane, `docs/openapi.json`, made from the contract.
 *
 * `node scripts/openapi.ts` writes it; with `--check` it changes nothing and fails when the file is not current.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { openApiDocument } from '@mq/control-plane'

const file = fileURLToPath(new URL('../docs/openapi.json', import.meta.url))
const made = `${JSON.stringify(await openApiDocument(), null, 2)}\n`

if (process.argv.includes('--check')) {
  if (readFileSync(file, 'utf8') !== made) {
    console.error('docs/openapi.json is not what the contract says: run node scripts/openapi.ts')
    process.exitCode = 1
  }
} else {
  writeFileSync(file, made)
}
