/**
 * What is approved and cannot begin (beginning R7).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fleet } from './fleet.ts'
import { ReadersFleet } from './readers-fleet.ts'

const TIMEOUT = { timeout: 300_000 }

test(
  'where nobody reads any more it gives way after a minute, and what is to come is not held up',
  TIMEOUT,
  async (t) => {
    const fleet = new ReadersFleet({ groups: { billing: 10 } })
    const plane = await fleet.start(t)
    await plane.call('PUT', '/v1/policies/global', { maxChangesPerDay: 0 })
    await fleet.declare()
    const approved = await fleet.until(100, 'approved')
    assert.equal(approved?.state, 'approved', approved?.status ?? JSON.stringify(fleet.engine.outlooks()))
    fleet.readers = []
    await fleet.run(61)
    await plane.call('PUT', '/v1/policies/global', { maxChangesPerDay: 6 })
    await fleet.run(5)
    const over = (await fleet.decisions()).find(({ number }) => number === approved.number)
    assert.equal(over?.state, 'superseded', `${over?.status}`)
    assert.match(over.status, /could not begin in \d+ s: no group reads it now/)
  },
)

test(
  'what cannot begin for as long as nobody would be waited for gives way, whatever kind it is',
  TIMEOUT,
  async (t) => {
    const fleet = new Fleet({ instances: 4 })
    const plane = await fleet.start(t, { loopTimes: { expireMs: 30_000 } })
    await plane.call('PUT', '/v1/policies/global', { maxChangesPerDay: 0 })
    await fleet.declareBadly()
    await fleet.run(60, async () => (await fleet.decisions()).length > 0)
    const [first] = await fleet.decisions()
    assert.equal(first?.state, 'approved', `${first?.status}`)
    await fleet.run(25)
    assert.equal((await fleet.decision(first.number)).state, 'approved')
    await fleet.run(10)
    const over = await fleet.decision(first.number)
    assert.equal(over.state, 'superseded')
    assert.match(over.status, /could not begin in 3\d s: 0 of 0 changes of the day are made/)
    assert.equal(fleet.touched.size, 0)
  },
)
