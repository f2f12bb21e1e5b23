#!/usr/bin/env bash
# Finding: an offset that is committed by topic name after the topic was deleted and created again is kept for the new topic.
#
# Versions: broker Apache Kafka 4.4.0 (KRaft, one node), client kafkajs 2.2.4 (commits by name), Java 17, Node 18 or later.
# What is done: a consumer reads 150 records and has not committed yet. The topic is deleted, created again under its name, and gets
#   200 other records. Only then the consumer commits "next offset 150", as one with a slow handler does. It leaves, and the
#   group starts again from its committed position.
# Seen: deleting a topic removes the committed offsets of its groups, but this later commit is accepted without an error, and the
#   restarted group begins at offset 150: the first 150 records of the new topic are never handed out, and nobody is told.
# Why it matters: commits by topic id (OffsetCommit 10, Kafka 4.1 and later) are refused with UNKNOWN_TOPIC_ID in this situation; clients
#   that commit by name, on the same broker, skip records.
# The script fails when that changes. Needs Java 17, Maven, Node and npm.
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
(cd "$folder" && npm init -y >/dev/null && npm install --no-audit --no-fund kafkajs@2.2.4 >/dev/null)

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
PROPERTIES
java -cp "$folder/libs/*" kafka.tools.StorageTool format -t 4L6g3nShT-eMCtK--X86sw -c "$folder/server.properties" >/dev/null 2>&1
java -Xmx256m -cp "$folder/libs/*" kafka.Kafka "$folder/server.properties" >"$folder/broker.log" 2>&1 &
broker=$!

cat >"$folder/program.js" <<'PROGRAM'
const { Kafka, logLevel } = require('kafkajs')
const kafka = new Kafka({ clientId: 'finding', brokers: [process.argv[2]], logLevel: logLevel.NOTHING, retry: { retries: 30 } })
const topic = 'orders'
const until = async (what, holds) => {
  for (let tries = 0; tries < 600; tries++) {
    if (await holds().catch(() => false)) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`waited in vain: ${what}`)
}
const messages = (count, text) => Array.from({ length: count }, (_, n) => ({ value: `${text} ${n}` }))
async function main() {
  const admin = kafka.admin()
  await until('the broker is up', () => admin.connect().then(() => admin.listTopics()).then(() => true))
  const make = () => admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 1 }] })
  await make()
  const producer = kafka.producer()
  await producer.connect()
  await producer.send({ topic, messages: messages(150, 'old') })
  const first = kafka.consumer({ groupId: 'billing', sessionTimeout: 30000 })
  await first.connect()
  await first.subscribe({ topic, fromBeginning: true })
  let read = 0
  await first.run({ autoCommit: false, eachMessage: async () => void read++ })
  await until('150 records are read', async () => read === 150)
  await admin.deleteTopics({ topics: [topic] })
  await until('the topic is gone', async () => !(await admin.listTopics()).includes(topic))
  await until('it is there again', () => make().then((made) => made))
  await until('200 others are stored', () => producer.send({ topic, messages: messages(200, 'new') }).then(() => true))
  await first.commitOffsets([{ topic, partition: 0, offset: '150' }])
  await first.disconnect()
  const second = kafka.consumer({ groupId: 'billing' })
  await second.connect()
  await second.subscribe({ topic, fromBeginning: true })
  const seen = []
  await second.run({ autoCommit: false, eachMessage: async ({ message }) => void seen.push(Number(message.offset)) })
  await until('the rest is read', async () => seen.includes(199))
  await second.disconnect()
  await producer.disconnect()
  await admin.disconnect()
  console.log(`the restarted group was given offsets ${Math.min(...seen)} to ${Math.max(...seen)} of 0 to 199`)
  process.exit(Math.min(...seen) === 150 ? 0 : 1)
}
main().catch((error) => { console.error(error.message); process.exit(2) })
PROGRAM
timeout 240 node "$folder/program.js" "127.0.0.1:$port" || { echo 'CHANGED, or it could not be run (see above)'; exit 1; }
