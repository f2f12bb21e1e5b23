/**
 * What a Kafka cluster costs by: which price book, where it stands, and what is known better than the book knows it.
 *
 * E1. A price is never below zero, and an unknown one is never taken for zero: which books and meters exist is checked where
 *     they are known, when the cluster is registered.
 * E2. US dollars only: a figure in another currency has no place here.
 */
import { z } from 'zod'

const usd = z.number().min(0).max(1e12)

export const ClusterEconomics = z.strictObject({
  priceBook: z
    .string()
    .min(1)
    .max(100)
    .regex(/^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/, 'lower-case letters, digits, dots and dashes, such as aws-us-east-1')
    .describe('Id of a price book, such as aws-us-east-1'),
  zones: z
    .number()
    .int()
    .min(1)
    .max(16)
    .optional()
    .describe('Availability zones the brokers are spread over; left out: what the racks of the brokers say'),
  instanceType: z.string().min(1).max(60).optional().describe('What a broker runs on, as the price book names it'),
  overrides: z
    .record(z.string().min(1).max(100), usd)
    .optional()
    .describe('Meter to US dollars, where a contract has other prices than the book'),
  monthlyBillUsd: usd
    .optional()
    .describe('What the cluster really costs a month: showback is scaled to it, and says by how much'),
  prometheus: z
    .url({ protocol: /^https?$/ })
    .max(2_000)
    .optional()
    .describe('Where the metrics of the brokers can be read in the Prometheus text format'),
})
export type ClusterEconomics = z.output<typeof ClusterEconomics>
