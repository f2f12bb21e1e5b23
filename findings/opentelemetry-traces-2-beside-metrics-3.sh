#!/usr/bin/env bash
# Finding: the newest OpenTelemetry SDK for traces by its known name and the newest one for metrics cannot be installed together.
#
# Versions: @opentelemetry/api 1.10.0, sdk-trace-base 2.12.1, sdk-metrics 3.1.1, sdk-trace 3.1.1, npm of Node 18 or later.
# What is done: npm installs the API with sdk-trace-base and sdk-metrics, each in its newest version, in an empty project. Then the API
#   with sdk-trace and sdk-metrics.
# Seen: the first ends with ERESOLVE: sdk-trace-base, whose newest version is 2.12.1, wants an API below 1.10, and sdk-metrics 3 wants
#   1.10 or later. The second installs: with version 3 the SDK for traces goes by another package name, sdk-trace.
# Why it matters: a project that updates each package by its name to what the registry calls latest ends with two SDKs that no API version
#   serves, and nothing in sdk-trace-base says that it goes on under another name. A library that traces and meters should accept both
#   ranges of the API and install neither SDK.
# The script fails when that changes. Needs Node and npm.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
quiet=(--no-audit --no-fund --ignore-scripts)
failed=0

if output=$(npm install "${quiet[@]}" @opentelemetry/api@1.10.0 @opentelemetry/sdk-trace-base@2.12.1 @opentelemetry/sdk-metrics@3.1.1 2>&1); then
  echo 'CHANGED: both were installed'
  failed=1
elif grep -q 'ERESOLVE' <<<"$output" && grep -q 'peer @opentelemetry/api@' <<<"$output"; then
  echo 'as seen: ERESOLVE over the range of @opentelemetry/api'
else
  printf 'CHANGED: it failed otherwise:\n%s\n' "$output"
  failed=1
fi
for package in sdk-trace-base sdk-metrics; do
  echo "newest $package: $(npm view "@opentelemetry/$package" version)"
done
if npm install "${quiet[@]}" @opentelemetry/api@1.10.0 @opentelemetry/sdk-trace@3.1.1 @opentelemetry/sdk-metrics@3.1.1 >/dev/null 2>&1; then
  echo 'as seen: sdk-trace 3.1.1 and sdk-metrics 3.1.1 install together'
else
  echo 'CHANGED: sdk-trace 3.1.1 and sdk-metrics 3.1.1 do not install together'
  failed=1
fi
exit "$failed"
