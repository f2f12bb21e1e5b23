/** The `mq` script with fake programs on the PATH: what it finds, fetches, installs, says and hands over. No network. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const TIMEOUT = { timeout: 300_000 }
const scratch = mkdtempSync(join(tmpdir(), 'mq-script-'))
after(() => rmSync(scratch, { recursive: true, force: true }))
let count = 0

interface Place {
  readonly root: string
  readonly bin: string
  run(
    args: readonly string[],
    options?: { cwd?: string; script?: string },
  ): Promise<{ code: number | null; out: string; err: string }>
}

/** A source tree in a folder with a space, and a PATH of the system's plain tools and what is planted in `bin`. */
function place(): Place {
  const home = join(scratch, `place ${++count}`)
  const root = join(home, 'the tree')
  const bin = join(home, 'bin')
  const tools = join(home, 'tools')
  for (const folder of [root, bin, tools]) mkdirSync(folder, { recursive: true })
  copyFileSync(fileURLToPath(new URL('../../mq', import.meta.url)), join(root, 'mq'))
  chmodSync(join(root, 'mq'), 0o755)
  writeFileSync(join(root, 'package-lock.json'), '{"lockfileVersion":3}\n')
  for (const name of ['sh', 'dirname', 'readlink', 'uname', 'mkdir', 'rm', 'mv', 'cp', 'cmp', 'cat', 'tail', 'sleep']) {
    const path = ['/bin', '/usr/bin'].map((folder) => join(folder, name)).find((each) => existsSync(each))
    assert.ok(path, `this machine has no ${name}`)
    symlinkSync(path, join(tools, name))
  }
  return {
    root,
    bin,
    run: (args, options = {}) =>
      new Promise((resolve, reject) => {
        const child = spawn(options.script ?? join(root, 'mq'), args, {
          cwd: options.cwd ?? scratch,
          env: { PATH: [bin, tools].join(delimiter) },
          stdio: ['ignore', 'pipe', 'pipe'],
        })
        let out = ''
        let err = ''
        child.stdout.on('data', (data) => {
          out += String(data)
        })
        child.stderr.on('data', (data) => {
          err += String(data)
        })
        child.once('error', reject)
        child.once('close', (code) => resolve({ code, out, err }))
      }),
  }
}

function program(folder: string, name: string, body: string): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, name), `#!/bin/sh\n${body}\n`)
  chmodSync(join(folder, name), 0o755)
}

const fakeNode = (version: string) =>
  `if [ "$1" = --version ]; then echo v${version}; else echo "node ${version}"; for each; do echo "<$each>"; done; fi`

/** npm that notes each call and the Node it would run under, and makes what it was asked for. */
function fakeNpm(at: Place, exitCode = 0): void {
  program(
    at.bin,
    'npm',
    `echo "$* | $(node --version 2>/dev/null)" >>"${at.root}/npm-calls"
[ ${exitCode} -eq 0 ] || { echo 'npm error planted'; exit ${exitCode}; }
case $1 in
  ci) mkdir -p node_modules ;;
  install)
    for last; do :; done
    mkdir -p "node_modules/\${last%@*}/bin"
    cp "${at.root}/fetched-node" "node_modules/\${last%@*}/bin/node" ;;
esac`,
  )
  program(at.root, 'fetched-node', fakeNode('26.10.0'))
}

function npmCalls(at: Place): string[] {
  const file = join(at.root, 'npm-calls')
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
}

test('with a new enough Node it installs once and hands every argument over unchanged', TIMEOUT, async () => {
  const at = place()
  program(at.bin, 'node', fakeNode('24.11.0'))
  fakeNpm(at)
  const first = await at.run(['send', 'a b', '*', ''])
  assert.equal(first.code, 0, first.err)
  assert.deepEqual(first.out.trimEnd().split('\n'), [
    'node 24.11.0',
    '<--conditions=mq-source>',
    `<${join(at.root, 'packages/cli/src/main.ts')}>`,
    '<send>',
    '<a b>',
    '<*>',
    '<>',
  ])
  assert.equal(npmCalls(at).length, 1)
  assert.match(npmCalls(at)[0] ?? '', /^ci --ignore-scripts/)
  const second = await at.run(['list'])
  assert.equal(second.code, 0)
  assert.equal(second.err, '')
  assert.equal(npmCalls(at).length, 1)
})

test('a changed lock file, or a removed node_modules, is installed again', TIMEOUT, async () => {
  const at = place()
  program(at.bin, 'node', fakeNode('24.11.0'))
  fakeNpm(at)
  await at.run(['list'])
  writeFileSync(join(at.root, 'package-lock.json'), '{"lockfileVersion":3,"changed":true}\n')
  await at.run(['list'])
  assert.equal(npmCalls(at).length, 2)
  rmSync(join(at.root, 'node_modules'), { recursive: true })
  await at.run(['list'])
  assert.equal(npmCalls(at).length, 3)
})

test('an old Node makes it fetch one, once, and npm and mq run under the fetched one', TIMEOUT, async () => {
  for (const version of ['20.20.2', '24.10.9', 'nonsense']) {
    const at = place()
    program(at.bin, 'node', fakeNode(version))
    fakeNpm(at)
    const first = await at.run(['list'])
    assert.equal(first.code, 0, first.err)
    assert.match(first.out, /^node 26\.10\.0/)
    assert.match(npmCalls(at)[0] ?? '', /^install .*@26\.10\.0 /)
    assert.match(npmCalls(at)[1] ?? '', /^ci .*\| v26\.10\.0$/)
    await at.run(['list'])
    assert.equal(npmCalls(at).length, 2)
  }
})

test('it works through a symlink, from elsewhere, and when run by name from its folder', TIMEOUT, async () => {
  const at = place()
  program(at.bin, 'node', fakeNode('24.11.0'))
  fakeNpm(at)
  const link = join(at.bin, 'linked mq')
  symlinkSync('../the tree/mq', link)
  const main = `<${join(at.root, 'packages/cli/src/main.ts')}>`
  assert.ok((await at.run(['list'], { script: link, cwd: '/' })).out.includes(main))
  assert.ok((await at.run(['list'], { script: './mq', cwd: at.root })).out.includes(main))
})

test('test goes straight to the test program, with its flags', TIMEOUT, async () => {
  const at = place()
  program(at.bin, 'node', fakeNode('24.11.0'))
  fakeNpm(at)
  const { out } = await at.run(['test', '--only', 'x'])
  assert.deepEqual(out.trimEnd().split('\n').slice(2), [`<${join(at.root, 'scripts/test.ts')}>`, '<--only>', '<x>'])
})

test('without Node and npm it says what to install, and that a tool is missing by exit code 5', TIMEOUT, async () => {
  const at = place()
  const { code, out, err } = await at.run(['list'])
  assert.equal(code, 5)
  assert.equal(out, '')
  assert.match(err, /Node 24\.11 or newer/)
  assert.match(err, /apt-get install npm/)
})

test('with Node but without npm it says that npm is missing', TIMEOUT, async () => {
  const at = place()
  program(at.bin, 'node', fakeNode('24.11.0'))
  const { code, err } = await at.run(['list'])
  assert.equal(code, 5)
  assert.match(err, /npm was not found/)
})

test('a failing npm is shown with its log, and nothing counts as installed', TIMEOUT, async () => {
  const at = place()
  program(at.bin, 'node', fakeNode('24.11.0'))
  fakeNpm(at, 1)
  const first = await at.run(['list'])
  assert.equal(first.code, 4)
  assert.match(first.err, /npm error planted/)
  assert.match(first.err, /npm-ci\.log/)
  fakeNpm(at)
  assert.equal((await at.run(['list'])).code, 0)
})

test('several first runs at once install one at a time, and only once', TIMEOUT, async () => {
  const at = place()
  program(at.bin, 'node', fakeNode('24.11.0'))
  fakeNpm(at)
  const runs = await Promise.all([at.run(['a']), at.run(['b']), at.run(['c'])])
  assert.deepEqual(
    runs.map(({ code }) => code),
    [0, 0, 0],
  )
  assert.equal(npmCalls(at).length, 1)
})

test('the lock of an installer that was killed is taken over', TIMEOUT, async () => {
  const at = place()
  program(at.bin, 'node', fakeNode('24.11.0'))
  fakeNpm(at)
  mkdirSync(join(at.root, '.mq', 'installing'), { recursive: true })
  // No process has this id: Linux and macOS end far below.
  writeFileSync(join(at.root, '.mq', 'installing', 'pid'), '99999999\n')
  assert.equal((await at.run(['list'])).code, 0)
  assert.equal(npmCalls(at).length, 1)
})
