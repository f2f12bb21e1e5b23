import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '@mq/client'
import { silentLogger, startControlPlane } from '@mq/control-plane'
import { startCluster } from '@mq/local'
import { contractOf } from './contract.ts'

const silent = { warn: () => {}, error: () => {} }

contractOf('the SDK on Kafka', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'mq-contract-'))
  const cluster = await startCluster({ name: 'main' })
  const plane = await startControlPlane({
    port: 0,
    dataDir: join(dir, 'plane'),
    createOnFirstUse: true,
    clusters: [{ name: 'main', bootstrap: cluster.bootstrap, securityProtocol: 'plaintext' }],
    logger: silentLogger,
  })
  return {
    connect: () => connect({ url: plane.url, app: 'contract', cacheDir: null, logger: silent }),
    declare: async (id, intent) => {
      const body = JSON.stringify({ intent })
      const headers = { 'content-type': 'application/json' }
      const response = await fetch(`${plane.url}/v1/ids/${id}`, { method: 'PUT', headers, body })
      if (!response.ok) throw new Error(`PUT ${id}: ${response.status} ${await response.text()}`)
    },
    tick: () => new Promise((resolve) => setTimeout(resolve, 20)),
    close: async () => {
      await plane.close()
      await cluster.stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
})
