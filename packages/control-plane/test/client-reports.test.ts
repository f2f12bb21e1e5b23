/** The inbox of reports (client-reports I1, I2). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TelemetryReport } from '@mq/contract'
import { ClientReports } from '../src/telemetry/client-reports.ts'

const report = { app: 'shop' } as unknown as TelemetryReport

test('every subscriber gets every report in turn, the next one after a slow one (I1)', async () => {
  const inbox = new ClientReports()
  const heard: string[] = []
  inbox.subscribe(
    async (got) => {
      await new Promise((resolve) => setImmediate(resolve))
      heard.push(`slow ${got.app}`)
    },
    (got) => void heard.push(`quick ${got.app}`),
  )
  inbox.subscribe((got) => void heard.push(`late ${got.app}`))
  await inbox.accept(report)
  await inbox.accept(report)
  const once = ['slow shop', 'quick shop', 'late shop']
  assert.deepEqual(heard, [...once, ...once])
})

test('one that fails keeps no other from its report, and the sender hears of the first failure (I2)', async () => {
  const inbox = new ClientReports()
  let heard = 0
  inbox.subscribe(
    () => {
      throw new Error('first')
    },
    () => Promise.reject(new Error('second')),
    () => void heard++,
  )
  await assert.rejects(inbox.accept(report), /first/)
  assert.equal(heard, 1)
})
