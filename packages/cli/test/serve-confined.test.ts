/**
 * `mq serve` as deploy/ runs it: as a user without any rights, on a root that nobody can write to, with one folder for its data.
 *
 * What containers do, with the same parts of Linux: a mount namespace, a tmpfs, a bounding set without capabilities.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const TOKEN = 'a-token-of-24-characters'
/** Of the Containerfile. */
const USER = 10_001
const needs =
  process.platform === 'linux' && process.getuid?.() === 0 ? false : 'needs Linux, and root to give rights up'

/** The source tree may lie where that user cannot look: it is bound to where it can. */
const CONFINE = `set -e
mount -t tmpfs -o mode=0700,uid=${USER},gid=${USER} tmpfs "$1/data"
mount --bind "$2" "$1/src"
mount --bind "$3" "$1/node"
mount -o remount,bind,ro /
cd "$1/src"
exec setpriv --reuid ${USER} --regid ${USER} --clear-groups --bounding-set -all --inh-caps -all --no-new-privs \
  "$1/node" --conditions=mq-source packages/cli/src/main.ts serve --listen 127.0.0.1:0 --data "$1/data"`

function confined(folder: string): ChildProcess {
  const args = ['--mount', '--propagation', 'private', 'sh', '-c', CONFINE, 'sh', folder, root, process.execPath]
  const env = { PATH: process.env.PATH, MQ_TOKEN_FILE: join(folder, 'token'), MQ_CLUSTERS: 'main=127.0.0.1:1' }
  return spawn('unshare', args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
}

test('mq serve runs as nobody in particular on a read-only root, writes to its data folder alone, and stops with 0', {
  timeout: 300_000,
  skip: needs,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'mq-confined-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  chmodSync(folder, 0o755)
  for (const name of ['data', 'src']) mkdirSync(join(folder, name))
  writeFileSync(join(folder, 'node'), '')
  writeFileSync(join(folder, 'token'), TOKEN)
  const child = confined(folder)
  t.after(() => void child.kill('SIGKILL'))
  const said: string[] = []
  const ended = once(child, 'exit')
  const up = Promise.withResolvers<string>()
  for (const stream of [child.stdout!, child.stderr!]) {
    createInterface(stream).on('line', (line) => {
      said.push(line)
      const [, url] = /"url":"([^"]+)".*"msg":"mQ control plane is up"/.exec(line) ?? []
      if (url !== undefined) up.resolve(url)
    })
  }
  const url = await Promise.race([up.promise, ended.then(() => assert.fail(said.join('\n')))])
  assert.equal((await fetch(new URL('/readyz', url))).status, 200)
  const declared = await fetch(new URL('/v1/policy', url), { headers: { authorization: `Bearer ${TOKEN}` } })
  assert.notEqual(declared.status, 401)
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null], said.join('\n'))
})
