#!/usr/bin/env bash
# Finding: a cluster that still stands on an old metadata.version takes features that its own mapping gives to later releases only.
#
# Versions: Apache Kafka 4.3.1 (org.apache.kafka: kafka_2.13, kafka-tools), formatted with `--release-version 3.9`, Java 17.
# What is done: FeatureCommand asks what belongs to release 3.9 (`version-mapping`), then raises group.version, share.version,
#   streams.version, transaction.version and eligible.leader.replicas.version to 1, one by one; metadata.version is left at 3.9-IV0.
#   A console consumer then reads two records with `group.protocol=consumer`.
# Seen: the mapping says 0 for all five. Four of them are raised without a warning and are finalised at 1 beside metadata.version
#   3.9-IV0; only eligible.leader.replicas.version is refused, since it depends on a metadata level. The consumer joins by the new
#   group protocol, and the group's type is Consumer.
# Why it matters: neither the broker's version, nor metadata.version, nor the mapping says which group protocol a cluster speaks; the
#   finalised group.version does. And a cluster kept on old metadata "to be able to go back" may hold groups of a kind that the
#   older release does not know by default.
# The script fails when that changes. Needs Java 17, Maven and Node.
set -euo pipefail
version=4.3.1
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
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$version</version></dependency>
</dependencies>
</project>
POM
mvn -B -q -f "$folder/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
  -DincludeScope=runtime -DoutputDirectory="$folder/libs" >/dev/null

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
group.initial.rebalance.delay.ms=0
PROPERTIES
tool() { java -cp "$folder/libs/*" "$@" 2>&1; }
tool kafka.tools.StorageTool format -t 4L6g3nShT-eMCtK--X86sw --release-version 3.9 -c "$folder/server.properties" >/dev/null
java -Xmx256m -cp "$folder/libs/*" kafka.Kafka "$folder/server.properties" >"$folder/broker.log" 2>&1 &
broker=$!
features() { tool org.apache.kafka.tools.FeatureCommand --bootstrap-server "127.0.0.1:$port" "$@"; }
tries=0
until features describe | grep -q '^Feature: metadata.version'; do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || { echo "the broker did not come up"; tail -n 20 "$folder/broker.log"; exit 1; }
  sleep 1
done

failed=0
expect() { # what, pattern, text
  if grep -Eq "$2" <<<"$3"; then echo "as seen: $1"; else echo "CHANGED: $1"; printf '%s\n' "$3"; failed=1; fi
}
mapping=$(features version-mapping --release-version 3.9)
for feature in group share streams transaction eligible.leader.replicas; do
  expect "the mapping of 3.9 has $feature.version 0" "^$feature\.version=0" "$mapping"
  features upgrade --feature "$feature.version=1" >/dev/null || true
done
after=$(features describe)
expect 'metadata.version stays 3.9-IV0' '^Feature: metadata\.version.*FinalizedVersionLevel: 3\.9-IV0' "$after"
for feature in group share streams transaction; do
  expect "$feature.version is finalised at 1" "^Feature: $feature\.version.*FinalizedVersionLevel: 1[[:space:]]" "$after"
done
expect 'eligible.leader.replicas.version stays 0' '^Feature: eligible\.leader\.replicas\.version.*FinalizedVersionLevel: 0' "$after"

tool org.apache.kafka.tools.TopicCommand --bootstrap-server "127.0.0.1:$port" --create --topic orders --partitions 1 >/dev/null
printf 'one\ntwo\n' | tool org.apache.kafka.tools.ConsoleProducer --bootstrap-server "127.0.0.1:$port" --topic orders >/dev/null
read_back=$(tool org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "127.0.0.1:$port" --topic orders --from-beginning \
  --max-messages 2 --timeout-ms 60000 --group billing --command-property group.protocol=consumer)
expect 'a consumer of the new protocol reads' '^two$' "$read_back"
kinds=$(tool org.apache.kafka.tools.consumer.group.ConsumerGroupCommand --bootstrap-server "127.0.0.1:$port" --list --type)
expect 'the group is of type Consumer' '^billing +Consumer' "$kinds"
exit "$failed"
