/**
 * Sizes as people write them (`64KiB`, `1MiB`, `20MB`) and as programs keep them (whole bytes).
 */
import { z } from 'zod'

const UNIT_BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1_000,
  mb: 1_000_000,
  gb: 1_000_000_000,
  kib: 1_024,
  mib: 1_048_576,
  gib: 1_073_741_824,
}
const SHAPE = /^(\d+(?:\.\d+)?)\s*([KMG]i?B|B)$/i

/** Bytes of a size text, or `undefined` when it is not one. */
export function parseSizeBytes(text: string): number | undefined {
  const match = SHAPE.exec(text.trim())
  if (match === null) return undefined
  const bytes = Math.round(Number(match[1]) * UNIT_BYTES[match[2]!.toLowerCase()]!)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** The shortest exact text of a size: `1048576` is `1MiB`, `20000000` is `20MB`, `1500` is `1500B`. */
export function formatSizeBytes(bytes: number): string {
  for (const unit of ['GiB', 'MiB', 'KiB', 'GB', 'MB', 'KB']) {
    const size = UNIT_BYTES[unit.toLowerCase()]!
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`
  }
  return `${bytes}B`
}

/** Accepts `64KiB`, `1MiB`, `20MB` or a whole number of bytes; yields bytes. */
export const SizeBytes: z.ZodType<number, string | number> = z
  .union([z.string(), z.number()])
  .transform((value, context) => {
    const bytes = typeof value === 'number' ? value : parseSizeBytes(value)
    if (bytes === undefined || !Number.isSafeInteger(bytes) || bytes < 0) {
      context.addIssue({ code: 'custom', message: `'${value}' is not a size: write 64KiB, 1MiB, 20MB or bytes` })
      return z.NEVER
    }
    return bytes
  })

/** A size within limits, told in units. */
export function sizeBetween(minBytes: number, maxBytes: number): z.ZodType<number, string | number> {
  return SizeBytes.superRefine((bytes, context) => {
    if (bytes >= minBytes && bytes <= maxBytes) return
    const limits = `from ${formatSizeBytes(minBytes)} to ${formatSizeBytes(maxBytes)}`
    context.addIssue({ code: 'custom', message: `${formatSizeBytes(bytes)} is outside of what can be: ${limits}` })
  }).pipe(z.number().int().min(minBytes).max(maxBytes))
}
