/**
 * The native snappy and lz4 libraries, loaded when a batch first needs them.
 *
 * V1. A process that uses neither pays nothing for them: together they take about 15 MB.
 * V2. A library that is missing or does not load on this platform fails the codec that needs it, and no other.
 */
import { createRequire } from 'node:module'
import type * as Lz4 from 'lz4-napi'
import type * as Snappy from 'snappy'

const require = createRequire(import.meta.url)
let loadedSnappy: typeof Snappy | undefined
let loadedLz4: typeof Lz4 | undefined

export function snappy(): typeof Snappy {
  loadedSnappy ??= require('snappy') as typeof Snappy
  return loadedSnappy
}

export function lz4(): typeof Lz4 {
  loadedLz4 ??= require('lz4-napi') as typeof Lz4
  return loadedLz4
}
