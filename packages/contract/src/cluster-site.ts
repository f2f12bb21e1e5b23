/**
 * Where a Kafka cluster stands, and what it is labelled with: what an intent can ask of it without naming it.
 *
 * S1. Labels are equal or not; they are never ordered, and no label has a meaning of its own to mQ.
 */
import { z } from 'zod'

export const Region = z
  .string()
  .max(60)
  .regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/, 'lower-case letters, digits and dashes, such as eu-west-1')

const LabelKey = z
  .string()
  .max(63)
  .regex(/^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/, 'lower-case letters, digits, dots, dashes, such as tier')
const LabelValue = z
  .string()
  .max(63)
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/, 'letters, digits, dots, dashes, such as gold')

export const Labels = z
  .record(LabelKey, LabelValue)
  .refine((labels) => Object.keys(labels).length <= 32, 'at most 32 labels')
export type Labels = z.output<typeof Labels>

/** What a person registered of a cluster beside its addresses and its prices. */
export const ClusterSite = z.object({ region: Region.nullable(), labels: Labels })
export type ClusterSite = z.output<typeof ClusterSite>
