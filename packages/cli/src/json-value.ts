/**
 * JSON text to a value that goes out as it came in.
 *
 * V1. A number that JavaScript cannot hold exactly keeps its digits (`JSON.rawJSON`); it is never rounded in silence.
 * V2. A key is a string, a whole number or a boolean of the value; anything else is an error that names the path.
 */

/** JSON.rawJSON of ECMAScript 2026, which the compiler's library does not name yet. */
const json = JSON as typeof JSON & { rawJSON(text: string): unknown }
const LONG_NUMBER = /\d{16}|\d[eE][+-]?\d/

export function parseJsonValue(text: string): unknown {
  if (!LONG_NUMBER.test(text)) return JSON.parse(text)
  return JSON.parse(text, (_key, value: unknown, context?: { source?: string }) => {
    if (typeof value !== 'number' || context?.source === undefined) return value
    return sameNumber(value, context.source) ? value : json.rawJSON(context.source)
  })
}

function sameNumber(value: number, source: string): boolean {
  if (!Number.isFinite(value)) return false
  return digitsOf(String(value)) === digitsOf(source)
}

/** Significant digits and exponent, so that `1.50` and `15e-1` are the same number. */
function digitsOf(text: string): string {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.')
  const all = `${whole}${fraction}`.replace(/^0+/, '')
  const digits = all.replace(/0+$/, '')
  const power = Number(exponent) - fraction.length + (all.length - digits.length)
  return digits === '' ? '0' : `${mantissa.startsWith('-') ? '-' : ''}${digits}e${power}`
}

export type KeyLookup = { readonly key: string } | { readonly problem: string }

/** The key at a dot path such as `order.id`. */
export function keyAt(value: unknown, path: readonly string[]): KeyLookup {
  let current = value
  for (const [depth, step] of path.entries()) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, step)) {
      return { problem: `there is no field '${path.slice(0, depth + 1).join('.')}'` }
    }
    current = (current as Record<string, unknown>)[step]
  }
  if (typeof current === 'string') return { key: current }
  if (typeof current === 'boolean' || (typeof current === 'number' && Number.isInteger(current)))
    return { key: String(current) }
  if (isRawJson(current)) return { key: JSON.stringify(current) }
  const kind =
    current === null
      ? 'null'
      : Array.isArray(current)
        ? 'a list'
        : typeof current === 'number'
          ? `${current}`
          : `an ${typeof current}`
  return { problem: `the field '${path.join('.')}' is ${kind}; a key is text, a whole number or a boolean` }
}

function isRawJson(value: unknown): boolean {
  return (JSON as typeof JSON & { isRawJSON(value: unknown): boolean }).isRawJSON(value)
}
