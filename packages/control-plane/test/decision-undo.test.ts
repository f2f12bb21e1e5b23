/**
 * What an undo of one change does to the trial of another (changes/producer-settings.ts).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DecisionRecord } from '@mq/autopilot'
import { withoutProducerSettings } from '../src/autopilot/changes/producer-settings.ts'
import type { IdSpec } from '../src/registry/records.ts'

test('settings to send with that are restored reach processes in a trial of readers, too', () => {
  const [before, after] = [
    { codec: 'none', lingerMs: 0 },
    { codec: 'zstd', lingerMs: 200 },
  ].map((one) => ({ ...one, batchBytes: 16_384, maxMessageBytes: 1_048_576, requestTimeoutMs: 30_000 }))
  const consumer = { fetchMinBytes: 65_536, fetchMaxWaitMs: 200 }
  const record = {
    number: 7,
    change: { kind: 'producer-settings', before, after },
    choices: [],
    work: { choicesBefore: [] },
  } as unknown as DecisionRecord
  const spec = (trial: unknown): IdSpec => ({ producer: after, consumer: {}, choices: [], trial }) as unknown as IdSpec
  const ofReaders = { decision: 9, instances: ['i'], producer: after, consumer }
  assert.deepEqual(withoutProducerSettings(spec(ofReaders), record)?.trial, { ...ofReaders, producer: before })
  const ofSenders = { decision: 9, instances: ['i'], producer: { codec: 'lz4', lingerMs: 100 } }
  assert.deepEqual(withoutProducerSettings(spec(ofSenders), record)?.trial, ofSenders)
  assert.equal(withoutProducerSettings(spec({ ...ofReaders, decision: 7 }), record)?.trial, null)
})
