#!/usr/bin/env bash
# Finding: a strict TypeScript project cannot use the types of @platformatic/kafka without `skipLibCheck`, also with the types of Node.
#
# Versions: @platformatic/kafka 2.12.1, typescript 7.0.2, @types/node 26.6.6, Node 22.22 or later.
# What is done: a project with `strict`, `types: ["node"]` and `skipLibCheck: false` imports one type of the library and is compiled. Then
#   the same with `skipLibCheck: true`.
# Seen: the first reports errors in the library's own declarations, not in the project: a type argument in `dist/diagnostic.d.ts` that does
#   not satisfy its constraint, a field `dispatcher` that `RequestInit` does not have, and types of the package `debug`, which brings none.
#   The second compiles.
# Why it matters: whoever passes a type of this library on in a declaration of his own makes all his users switch the check off. A
#   package built on it needs an entry whose declarations do not reach it.
# The script fails when that changes. Needs Node and npm.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --no-audit --no-fund --ignore-scripts @platformatic/kafka@2.12.1 typescript@7.0.2 @types/node@26.6.6 >/dev/null 2>&1
echo "import type { Connection } from '@platformatic/kafka'
export type Wrapped = { readonly connection: Connection }" >program.ts
compile() { # skipLibCheck
  npx tsc --strict --noEmit --target es2024 --module nodenext --moduleResolution nodenext --types node --skipLibCheck "$1" program.ts
}
failed=0
if output=$(compile false 2>&1); then
  echo 'CHANGED: it compiles with skipLibCheck false'
  failed=1
else
  printf '%s\n' "$output"
  grep -q '^node_modules/@platformatic/kafka/dist/diagnostic.d.ts.*TS2344' <<<"$output" || { echo 'CHANGED: diagnostic.d.ts is not named'; failed=1; }
  if grep -v '^node_modules/\| ' <<<"$output" | grep -q .; then echo 'CHANGED: something else than the library is named'; failed=1; fi
fi
if compile true; then echo 'as seen: it compiles with skipLibCheck true'; else echo 'CHANGED: it does not compile with skipLibCheck true'; failed=1; fi
exit "$failed"
