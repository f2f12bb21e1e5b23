/**
 * The bytes a record takes in a batch, by Kafka's record format v2: exact.
 *
 * Y1. Record = length, attributes, timestamp delta, offset delta, key length, key, value length, value, header count, headers; all
 *     lengths and deltas are zig-zag varints.
 */

export interface RecordShape {
  /** Null: no key, which is not the same as an empty one. */
  readonly keyBytes: number | null
  readonly valueBytes: number | null
  readonly headers?: readonly { readonly keyBytes: number; readonly valueBytes: number | null }[]
  /** Milliseconds since the first record of the batch, and how many records stand before it. */
  readonly timestampDelta?: number
  readonly offsetDelta?: number
}

/** Bytes of a zig-zag varint: one up to 63, two up to 8,191, three up to 1,048,575. */
export function varintBytes(value: number): number {
  let rest = value >= 0 ? value * 2 : -value * 2 - 1
  let bytes = 1
  while (rest >= 128) {
    rest = Math.floor(rest / 128)
    bytes++
  }
  return bytes
}

/** Y1 */
export function framedRecordBytes(shape: RecordShape): number {
  const { keyBytes, valueBytes, headers = [], timestampDelta = 0, offsetDelta = 0 } = shape
  const sized = (bytes: number | null): number => (bytes === null ? varintBytes(-1) : varintBytes(bytes) + bytes)
  const body =
    1 +
    varintBytes(timestampDelta) +
    varintBytes(offsetDelta) +
    sized(keyBytes) +
    sized(valueBytes) +
    varintBytes(headers.length) +
    headers.reduce((sum, header) => sum + sized(header.keyBytes) + sized(header.valueBytes), 0)
  return varintBytes(body) + body
}
