/** Which broker is asked (A5). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MqError } from '@mq/contract'
import { systemDeps } from '@mq/contract/timing'
import type { Connection } from '@platformatic/kafka'
import { AdminCalls, type AdminCluster } from '../src/admin/calls.ts'

const connectionTo = (nodeId: number): Connection => ({ nodeId }) as unknown as Connection
const nodeOf = (connection: Connection): number => (connection as unknown as { nodeId: number }).nodeId
const answering = (code: number): Error => Object.assign(new Error('no'), { apiCode: code })

/** Broker 1 is asked first; the controller is found out by asking for metadata. */
function clusterWith(controllerId: number): AdminCluster & { refreshed: number } {
  const cluster = {
    name: 'c',
    deps: systemDeps,
    refreshed: 0,
    controllerId: 1,
    connection: async (nodeId: number) => connectionTo(nodeId),
    anyConnection: async () => connectionTo(1),
    brokers: () => [],
    metadata: async () => {
      cluster.refreshed += 1
      cluster.controllerId = controllerId
      return []
    },
  }
  return cluster
}

test('a request for the controller goes there once another broker says that it is not it (A5)', async () => {
  const cluster = clusterWith(3)
  const asked: number[] = []
  const answer = await new AdminCalls(cluster, {}).askAny('create topic t', async (connection) => {
    asked.push(nodeOf(connection))
    if (nodeOf(connection) !== 3) throw answering(41)
    return 'made'
  })
  assert.equal(answer, 'made')
  assert.deepEqual(asked, [1, 3])
  assert.equal(cluster.refreshed, 1)
})

test('while there is no controller, or it moved once more, the attempt fails as one that may pass (A2, A5)', async () => {
  for (const controllerId of [-1, 2]) {
    let tries = 0
    const calls = new AdminCalls(clusterWith(controllerId), { deadlineMs: 5_000 })
    const work = calls.retrying('create topic t', () =>
      calls.askAny('create topic t', async () => {
        tries += 1
        if (tries < 4) throw answering(41)
        return 'made'
      }),
    )
    assert.equal(await work, 'made')
  }
})

test('another refusal is not asked again elsewhere', async () => {
  const cluster = clusterWith(3)
  const calls = new AdminCalls(cluster, { deadlineMs: 1_000 })
  const refused = calls.retrying('create topic t', () =>
    calls.askAny('create topic t', async () => {
      throw answering(29)
    }),
  )
  await assert.rejects(refused, (error) => error instanceof MqError && error.code === 'MQ_KAFKA_FORBIDDEN')
  assert.equal(cluster.refreshed, 0)
})
