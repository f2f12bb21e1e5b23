/**
 * CRC-32C (Castagnoli), the checksum of a record batch, by the native implementation.
 *
 * K1. `crc32c(b, crc32c(a))` is the checksum of a followed by b.
 */
import { crc32c as native } from '@node-rs/crc32'

export function crc32c(bytes: Uint8Array, previous = 0): number {
  return native(bytes, previous)
}
