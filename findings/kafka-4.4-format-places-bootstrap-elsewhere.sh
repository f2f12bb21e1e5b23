#!/usr/bin/env bash
# Finding: formatting a KRaft folder writes the bootstrap metadata to another file from Apache Kafka 4.4.0 on.
#
# Versions: Apache Kafka 4.3.1 and 4.4.0 (org.apache.kafka:kafka_2.13), Java 17.
# What is done: the same server.properties is formatted with the storage tool of each version.
# Seen: 4.3.1 leaves `bootstrap.checkpoint` beside `meta.properties`. 4.4.0 leaves no such file; its records are the first snapshot of
#   the metadata log, `__cluster_metadata-0/00000000000000000000-0000000000.checkpoint`.
# Why it matters: a tool that prepares or inspects formatted folders by the old file name (for example to start many test clusters
#   from one template) finds nothing with 4.4.0, and a template made by 4.3.1 is not what 4.4.0 would write.
# The script fails when either version behaves otherwise. Needs Java 17 and Maven.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fetch() { # version
  mkdir -p "$folder/$1"
  cat >"$folder/$1/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>finding</groupId><artifactId>finding</artifactId><version>1</version><packaging>pom</packaging>
<dependencies><dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$1</version></dependency></dependencies>
</project>
POM
  mvn -B -q -f "$folder/$1/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$folder/$1/libs" >/dev/null
}

format() { # version
  cat >"$folder/$1/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:19093
listeners=PLAINTEXT://127.0.0.1:19092,CONTROLLER://127.0.0.1:19093
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$folder/$1/data
PROPERTIES
  java -cp "$folder/$1/libs/*" kafka.tools.StorageTool format -t 4L6g3nShT-eMCtK--X86sw -c "$folder/$1/server.properties" >/dev/null 2>&1
  (cd "$folder/$1/data" && find . -type f | sort)
}

failed=0
for version in 4.3.1 4.4.0; do
  fetch "$version"
  files=$(format "$version")
  printf '%s writes:\n%s\n' "$version" "$files"
  case $version in
    4.3.1) grep -q '^./bootstrap.checkpoint$' <<<"$files" || { echo 'CHANGED: 4.3.1 wrote no bootstrap.checkpoint'; failed=1; } ;;
    4.4.0)
      if grep -q '^./bootstrap.checkpoint$' <<<"$files"; then echo 'CHANGED: 4.4.0 wrote bootstrap.checkpoint'; failed=1; fi
      grep -q '^./__cluster_metadata-0/00000000000000000000-0000000000.checkpoint$' <<<"$files" ||
        { echo 'CHANGED: 4.4.0 wrote no first snapshot of the metadata log'; failed=1; }
      ;;
  esac
done
exit "$failed"
