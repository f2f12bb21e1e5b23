/** Numbers for sets of constants: clusters with the same ones share what is computed from them. */
import type { ModelConstants } from './model-constants.ts'

const identities = new WeakMap<ModelConstants, number>()
const numbers = new Map<string, number>()
const MOST_NUMBERS = 10_000

/** The same constants give the same rows, whichever cluster carries them. */
export function identityOf(constants: ModelConstants): number {
  let identity = identities.get(constants)
  if (identity === undefined) {
    const { source: _source, brokerCpu: _brokerCpu, ...ofRows } = constants
    const text = JSON.stringify(ofRows)
    identity = numbers.get(text) ?? ++lastNumber
    if (numbers.size >= MOST_NUMBERS) numbers.clear()
    numbers.set(text, identity)
    identities.set(constants, identity)
  }
  return identity
}

let lastNumber = 0
