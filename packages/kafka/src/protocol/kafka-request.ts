/**
 * One kind of request in all the versions that mQ speaks of it.
 *
 * R1. The version is chosen anew for each request: the highest that both sides know on this very connection.
 * R2. Where none fits, the error names the request, the versions of both sides, and the feature that is missing, if that is why.
 * R3. A broker that refuses a version it listed is asked for its versions again; the request goes out once more only if that
 *     changed the choice. A refused version was not carried out.
 * R4. A broker that closes the connection instead of answering is named together with the request.
 */
import { MqError } from '@mq/contract'
import type { Connection } from '@platformatic/kafka'
import { apisAgain, apisOf, peerName } from './api-versions.ts'
import type { BrokerApis } from './broker-apis.ts'
import { KafkaCode, kafkaCodeOf, toMqError } from './kafka-errors.ts'

/** One version of a request; those of the library have this shape. */
export interface Spoken<Args extends readonly unknown[], Answer> {
  readonly key: number
  readonly version: number
  readonly async: (connection: Connection, ...args: Args) => Promise<Answer>
}

export interface RequestFacts {
  readonly name: string
  /** What a broker without this request keeps mQ from; nothing where mQ cannot work without it. */
  readonly missing?: string
  /** What is lost below a version, newest first. */
  readonly losses?: readonly { readonly below: number; readonly what: string }[]
}

/** A request that is written elsewhere, where every byte counts: only its version is chosen here. */
export class RequestVersions {
  readonly apiKey: number
  readonly facts: RequestFacts
  /** Rising. */
  readonly versions: readonly number[]

  constructor(apiKey: number, facts: RequestFacts, versions: readonly number[]) {
    this.apiKey = apiKey
    this.facts = facts
    this.versions = versions.toSorted((a, b) => a - b)
  }

  get name(): string {
    return this.facts.name
  }

  /** @returns nothing where the broker has none that mQ speaks */
  async find(connection: Connection): Promise<number | undefined> {
    const apis = await apisOf(connection)
    const version = this.#of(apis)
    if (version !== undefined || apis.missingFeature(this.apiKey) === undefined) return version
    return this.#of(await apisAgain(connection, false))
  }

  /** R1, R2. @throws MqError MQ_KAFKA_VERSION */
  async choose(connection: Connection): Promise<number> {
    const version = this.#of(await apisOf(connection)) ?? this.#of(await apisAgain(connection, false))
    if (version !== undefined) return version
    throw this.#unfit(connection, await apisOf(connection))
  }

  /** After a refusal (R3): the version to try instead, if there is another one. */
  async chooseOther(connection: Connection, refused: number): Promise<number | undefined> {
    const version = this.#of(await apisAgain(connection, true))
    return version === refused ? undefined : version
  }

  #of(apis: BrokerApis): number | undefined {
    return apis.highest(this.apiKey, this.versions)
  }

  #unfit(connection: Connection, apis: BrokerApis): MqError {
    const { apiKey } = this
    const { name, missing } = this.facts
    const ours = spanText(this.versions[0]!, this.versions.at(-1)!)
    const feature = apis.missingFeature(apiKey)
    const range = apis.range(apiKey)
    const peer = peerName(connection)
    const why =
      feature !== undefined
        ? `${peer} has ${name} switched off: the feature ${feature} is not finalised at 1 or above`
        : range === undefined
          ? `${peer} does not know the request ${name}`
          : `${peer} speaks ${spanText(range.min, range.max)} of ${name}, and mQ needs ${ours}`
    const without = missing === undefined ? '' : `; without it mQ cannot ${missing}`
    return new MqError('MQ_KAFKA_VERSION', why + without, {
      details: {
        request: name,
        apiKey,
        spoken: ours,
        ...(range === undefined ? {} : { offered: spanText(range.min, range.max) }),
      },
    })
  }
}

export class KafkaRequest<Args extends readonly unknown[], Answer> extends RequestVersions {
  readonly #calls: ReadonlyMap<number, Spoken<Args, Answer>>

  /** @param older read in the shape of `newest` */
  constructor(facts: RequestFacts, newest: Spoken<Args, Answer>, older: readonly NoInfer<Spoken<Args, Answer>>[] = []) {
    const all = [newest, ...older]
    super(
      newest.key,
      facts,
      all.map(({ version }) => version),
    )
    this.#calls = new Map(all.map((one) => [one.version, one]))
  }

  async send(connection: Connection, ...args: Args): Promise<Answer> {
    const version = await this.choose(connection)
    try {
      return await this.#call(connection, version, args)
    } catch (error) {
      if (kafkaCodeOf(error) !== KafkaCode.UNSUPPORTED_VERSION) throw error
      const other = await this.chooseOther(connection, version)
      if (other === undefined) throw error
      return await this.#call(connection, other, args)
    }
  }

  async #call(connection: Connection, version: number, args: Args): Promise<Answer> {
    try {
      return await this.#calls.get(version)!.async(connection, ...args)
    } catch (error) {
      throw named(connection, this.name, version, error)
    }
  }
}

/** An error in which the request is named, where that tells more (R3, R4). */
export function named(connection: Connection, name: string, version: number, error: unknown): unknown {
  const what = `${name} version ${version}`
  if (kafkaCodeOf(error) === KafkaCode.UNSUPPORTED_VERSION)
    return toMqError(error, `${what} at ${peerName(connection)}`)
  const wasClosed = connection.socket?.readableEnded === true
  if (!wasClosed || toMqError(error, what).code !== 'MQ_KAFKA_UNREACHABLE') return error
  return new MqError(
    'MQ_KAFKA_UNREACHABLE',
    `${peerName(connection)} closed the connection instead of answering ${what}`,
    { cause: error },
  )
}

function spanText(min: number, max: number): string {
  return min === max ? `version ${min}` : `versions ${min} to ${max}`
}
