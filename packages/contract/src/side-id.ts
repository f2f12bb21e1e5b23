/**
 * Names of mQ IDs of mQ's own.
 *
 * SI1. The dead letters of one group on one mQ ID have an mQ ID of their own, `mq.dlq.ID.GROUP-HASH`; what is handed to the group again
 *      goes through another, `mq.redrive.ID.GROUP-HASH`, which only that group reads. Nobody can declare a name that begins with `mq.`.
 * SI2. The hash covers ID and group: the readable part may be shortened, and two groups never share a name because of it.
 */
import { z } from 'zod'

/** What an mQ ID of mQ's own is for. */
export const SideRole = z.enum(['dead-letters', 'redrive'])
export type SideRole = z.infer<typeof SideRole>

/** Whose dead letters an mQ ID holds. */
export const SideOf = z.object({ mqId: z.string(), group: z.string(), role: SideRole })
export type SideOf = z.output<typeof SideOf>

const PREFIX: Readonly<Record<SideRole, string>> = { 'dead-letters': 'mq.dlq.', redrive: 'mq.redrive.' }
const SIDE = /^mq\.(?:dlq|redrive)\.[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?-[0-9a-z]{13}$/
export const MAX_SIDE_ID = 200

/** The mQ ID of mQ's own for a group on an mQ ID (DL1). */
export function sideIdOf({ mqId, group, role }: SideOf): string {
  const readable = group
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, '-')
    .slice(0, 40)
    .replace(/[-_]+$/, '')
  return `${PREFIX[role]}${mqId}.${readable === '' ? 'g' : readable}-${hashOf(`${mqId}\n${group}`)}`
}

/** Whether a name is one that mQ made (DL1). */
export function isSideId(text: string): boolean {
  return text.length <= MAX_SIDE_ID && SIDE.test(text)
}

/** FNV-1a of 64 bits, 13 characters. */
function hashOf(text: string): string {
  let hash = 0xcbf2_9ce4_8422_2325n
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x0100_0000_01b3n)
  }
  return hash.toString(36).padStart(13, '0')
}
