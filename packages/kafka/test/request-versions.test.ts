/**
 * The version of every request at brokers whose ApiVersions answers were recorded (test/api-ranges, each with its origin).
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { BrokerApis } from '../src/protocol/broker-apis.ts'
import { allRequests } from '../src/protocol/requests.ts'

interface Recorded {
  readonly origin: string
  /** Lowest and highest version by api key, as they were answered. */
  readonly ranges: Readonly<Record<string, readonly [min: number, max: number]>>
  /** Finalised level by name. */
  readonly features: Readonly<Record<string, number>>
}

const FOLDER = join(import.meta.dirname, 'api-ranges')
const apis = new Map(
  readdirSync(FOLDER).map((file) => {
    const { ranges, features } = JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as Recorded
    const read = Object.entries(ranges).map(([key, [min, max]]) => [Number(key), { min, max }] as const)
    return [file.replace('.json', ''), new BrokerApis(read, Object.entries(features))]
  }),
)

/** What is chosen at each of them; `-` where the request is not sent. */
const EXPECTED = `
                         2.8.2-zk 3.1.2-zk 3.3.2 3.9.2 4.0.2 4.4.0-features-3.9 4.4.0 4.4.0-kroxylicious redpanda-like
Produce                  9        9        9     11    12    12                 12    12                 7
Fetch                    12       13       13    17    17    17                 17    17                 11
ListOffsets              6        7        7     7     7     7                  7     7                  4
Metadata                 11       12       12    12    12    12                 12    12                 7
OffsetCommit             8        8        8     9     9     9                  9     9                  7
OffsetCommit by topic id -        -        -     -     -     10                 10    -                  -
OffsetFetch              7        8        8     9     9     9                  9     9                  5
OffsetFetch by topic id  -        -        -     -     -     10                 10    -                  -
FindCoordinator          3        4        4     6     6     6                  6     6                  2
JoinGroup                7        7        9     9     9     9                  9     9                  5
Heartbeat                4        4        4     4     4     4                  4     4                  3
LeaveGroup               4        4        5     5     5     5                  5     5                  2
SyncGroup                5        5        5     5     5     5                  5     5                  3
DescribeGroups           5        5        5     5     5     5                  5     5                  4
ListGroups               4        4        4     5     5     5                  5     5                  2
CreateTopics             7        7        7     7     7     7                  7     7                  5
DeleteTopics             6        6        6     6     6     6                  6     6                  3
InitProducerId           4        4        4     4     4     4                  4     4                  1
OffsetForLeaderEpoch     4        4        4     4     4     4                  4     4                  3
DescribeConfigs          4        4        4     4     4     4                  4     4                  2
DescribeLogDirs          2        2        4     4     4     4                  4     4                  1
DeleteGroups             2        2        2     2     2     2                  2     2                  1
IncrementalAlterConfigs  1        1        1     1     1     1                  1     1                  0
OffsetDelete             0        0        0     0     0     0                  0     0                  -
DescribeClientQuotas     1        1        1     1     1     1                  1     1                  0
DescribeCluster          0        0        0     0     0     0                  0     0                  -
DescribeProducers        0        0        0     0     0     0                  0     0                  -
ConsumerGroupHeartbeat   -        -        -     -     1     -                  1     1                  -
ConsumerGroupDescribe    -        -        -     -     0     -                  0     0                  -
`

const [head = '', ...rows] = EXPECTED.trim().split('\n')
const places = head.trim().split(/\s+/)

test('every recorded broker and every request stand in the table', () => {
  assert.deepEqual(places.toSorted(), [...apis.keys()].toSorted())
  assert.deepEqual(
    rows.map((row) => row.slice(0, 25).trim()),
    allRequests.map(({ name }) => name),
  )
})

for (const [column, place] of places.entries()) {
  test(`the version of every request at ${place}`, () => {
    for (const [index, request] of allRequests.entries()) {
      const expected = rows[index]!.slice(25).trim().split(/\s+/)[column]
      const chosen = apis.get(place)!.highest(request.apiKey, request.versions)
      assert.equal(chosen === undefined ? '-' : String(chosen), expected, request.name)
    }
  })
}

test('a proxy that lists what it does not pass on upside down is not asked for it (A1)', () => {
  const proxied = JSON.parse(readFileSync(join(FOLDER, '4.4.0-kroxylicious.json'), 'utf8')) as Recorded
  const upsideDown = Object.entries(proxied.ranges).filter(([, [min, max]]) => min > max)
  assert.ok(upsideDown.length > 0)
  for (const [key] of upsideDown) assert.equal(apis.get('4.4.0-kroxylicious')!.range(Number(key)), undefined)
})
