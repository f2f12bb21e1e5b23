#!/usr/bin/env bash
# Finding: in a group of the new protocol (KIP-848) each committed offset ages by itself, in a classic group they age together.
#
# Versions: broker Apache Kafka 4.4.0 (KRaft, one node, offsets.retention.minutes=1), client @platformatic/kafka 2.12.1, Java 17, Node 24.6 or later.
# What is done: two groups, one classic and one of the new protocol, do the same. A member joins, commits partition 0 once, stays for
#   80 s, commits partition 1, and leaves. A few seconds later the offsets of both groups are asked for.
# Seen: the classic group has both offsets, because its retention begins when its last member leaves. The group of the new protocol has
#   lost that of partition 0: once no member is left, an offset is dropped when its own commit is older than the retention.
# Why it matters: with the default of 7 days, a partition that had no records for a week loses its position in the seconds in which all
#   members are away, for instance when a service is deployed. The group then begins there as if it had never read it.
# The script fails when that changes. Needs Java 17, Maven, Node and npm; takes two minutes.
set -euo pipefail
version=4.4.0
folder=$(mktemp -d)
broker=
cleanup() {
  [ -z "$broker" ] || { kill "$broker" 2>/dev/null || true; wait "$broker" 2>/dev/null || true; }
  rm -rf "$folder"
}
trap cleanup EXIT

cat >"$folder/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>finding</groupId><artifactId>finding</artifactId><version>1</version><packaging>pom</packaging>
<dependencies><dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency></dependencies>
</project>
POM
mvn -B -q -f "$folder/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
  -DincludeScope=runtime -DoutputDirectory="$folder/libs" >/dev/null
(cd "$folder" && npm init -y >/dev/null && npm install --no-audit --no-fund @platformatic/kafka@2.12.1 >/dev/null)

read -r port controller < <(node -e '
const net = require("node:net"); const ports = []
const next = () => { const s = net.createServer().listen(0, "127.0.0.1", () => { ports.push(s.address().port); s.close(() => ports.length < 2 ? next() : console.log(ports.join(" "))) }) }
next()')
cat >"$folder/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$folder/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
offsets.retention.minutes=1
offsets.retention.check.interval.ms=1000
PROPERTIES
java -cp "$folder/libs/*" kafka.tools.StorageTool format -t 4L6g3nShT-eMCtK--X86sw -c "$folder/server.properties" >/dev/null 2>&1
java -Xmx256m -cp "$folder/libs/*" kafka.Kafka "$folder/server.properties" >"$folder/broker.log" 2>&1 &
broker=$!

cat >"$folder/program.mjs" <<'PROGRAM'
import { Admin, Consumer, Producer, stringSerializers } from '@platformatic/kafka'
const [bootstrap] = process.argv.slice(2)
const topic = 'orders'
const base = { clientId: 'finding', bootstrapBrokers: [bootstrap], retries: 60, retryDelay: 500 }
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const admin = new Admin(base)
for (let tries = 0; ; tries++) {
  try {
    await admin.createTopics({ topics: [topic], partitions: 2, replicas: 1 })
    break
  } catch (error) {
    if (tries === 120) throw error
    await pause(1_000) // The broker is still starting.
  }
}
const producer = new Producer({ ...base, serializers: stringSerializers })
await producer.send({ acks: -1, messages: [0, 1].map((partition) => ({ topic, partition, value: 'a record' })) })
async function member(groupId, groupProtocol) {
  const consumer = new Consumer({ ...base, groupId, groupProtocol, autocommit: false })
  await consumer.consume({ topics: [topic], mode: 'earliest', autocommit: false })
  return consumer
}
const commit = (consumer, partition) => consumer.commit({ offsets: [{ topic, partition, offset: 1n, leaderEpoch: 0 }] })
const groups = { classic: await member('classic-group', 'classic'), consumer: await member('new-group', 'consumer') }
for (const consumer of Object.values(groups)) await commit(consumer, 0)
await pause(80_000)
for (const consumer of Object.values(groups)) await commit(consumer, 1)
for (const consumer of Object.values(groups)) await consumer.close(true)
await pause(8_000)
async function kept(groupId) {
  const groups = await admin.listConsumerGroupOffsets({ groups: [groupId] })
  const partitions = groups.flatMap(({ topics }) => topics).flatMap(({ partitions }) => partitions)
  return partitions.filter(({ committedOffset }) => committedOffset === 1n).map(({ partitionIndex }) => partitionIndex).sort()
}
const [classic, modern] = [await kept('classic-group'), await kept('new-group')]
console.log(`partitions whose offset is kept: classic group ${classic.join(' and ')}, group of the new protocol ${modern.join(' and ')}`)
process.exit(classic.join() === '0,1' && modern.join() === '1' ? 0 : 1)
PROGRAM
timeout 400 node "$folder/program.mjs" "127.0.0.1:$port" || { echo 'CHANGED, or it could not be run (see above)'; exit 1; }
