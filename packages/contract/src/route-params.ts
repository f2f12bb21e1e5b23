/**
 * Parameters that several routes share.
 */
import { z } from 'zod'
import { MqId, Name, OwnMqId } from './mq-id.ts'

export const IdParams = z.object({ id: MqId })
export const OwnIdParams = z.object({ id: OwnMqId })
export const NameParams = z.object({ name: Name })
export const NumberParams = z.object({ number: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER) })

/** A query parameter that is true or false. */
export const Flag = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true')
