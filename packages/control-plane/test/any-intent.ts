/**
 * Arbitrary intents, all of them valid.
 */
import { Intent, type IntentInput } from '@mq/contract'
import fc from 'fast-check'

const input: fc.Arbitrary<IntentInput> = fc
  .record(
    {
      latencyP99Ms: fc.integer({ min: 2, max: 3_600_000 }),
      ordering: fc.constantFrom('key', 'none'),
      retention: fc.oneof(
        fc.constantFrom('forever' as const, 'latest-per-key' as const, '1h', '36h', '400d'),
        fc.integer({ min: 3_600_000, max: 2 ** 40 }),
      ),
      format: fc.constantFrom('json', 'text', 'bytes'),
      priority: fc.constantFrom('low', 'normal', 'high', 'critical'),
      movable: fc.boolean(),
      maxMessageBytes: fc.integer({ min: 1_024, max: 8 * 1_048_576 }),
      expectedMessagesPerSecond: fc.double({ min: 0, max: 1e8, noNaN: true }),
      expectedMessageBytes: fc.integer({ min: 1, max: 1_024 }),
      budgetUsdPerMonth: fc.integer({ min: 1, max: 100_000 }),
      owner: fc.record({ team: fc.constantFrom('shop', 'search') }),
      peaks: fc.array(
        fc.record({
          startsAt: fc.constant('2026-11-27T08:00:00Z'),
          durationMs: fc.integer({ min: 1, max: 86_400_000 }),
          multiple: fc.integer({ min: 1, max: 1_000 }),
        }),
        { maxLength: 2 },
      ),
    },
    { requiredKeys: [] },
  )
  .filter(
    (intent) => !(intent.retention === 'latest-per-key' && intent.ordering === 'none'),
  ) as fc.Arbitrary<IntentInput>

export const anyIntentInput = input
export const anyIntent: fc.Arbitrary<Intent> = input.map((intent) => Intent.parse(intent))
