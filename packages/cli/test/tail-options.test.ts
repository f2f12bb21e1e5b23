import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PlannedPartition } from '@mq/client'
import { readOptions, type TailFlags, tellOfTransactions } from '../src/tail-options.ts'

const planned = (partition: number, end: bigint, behindTransaction: bigint): PlannedPartition => ({
  epoch: 1,
  partition,
  start: 0n,
  end,
  behindTransaction,
})

test('records that an open transaction holds back are told with their place, and nothing else is', () => {
  const told: string[] = []
  tellOfTransactions([planned(0, 1n, 2n), planned(1, 3n, 0n), planned(2, 0n, 1n)], (text) => told.push(text))
  assert.deepEqual(told, [
    'Partition 0 of epoch 1 is read up to offset 1: a transaction there is still open, and 2 records after it cannot be read yet.',
    'Partition 2 of epoch 1 is read up to offset 0: a transaction there is still open, and 1 record after it cannot be read yet.',
  ])
})

test('only --exit-at-end ends a reading, and the start is the one that was named', () => {
  const { signal } = new AbortController()
  const of = (flags: Partial<TailFlags>) => readOptions({ output: 'text', from: 'latest', ...flags }, signal)
  assert.deepEqual(of({}), { from: 'latest', untilEnd: false, signal })
  assert.deepEqual(of({ exitAtEnd: true, from: 'earliest' }), { from: 'earliest', untilEnd: true, signal })
  assert.deepEqual(of({ group: 'billing' }).from, { group: 'billing', otherwise: 'latest' })
  assert.deepEqual(of({ since: 5 }).from, { timestampMs: 5 })
  assert.deepEqual(of({ partition: 2, offset: 7 }), { from: { offset: 7n }, untilEnd: false, signal, partition: 2 })
})
