import { MqError } from '@mq/contract'
import type { GroupOptions, GroupProtocol, Identity } from './group-types.ts'

export class ClassicProtocol implements GroupProtocol {
  readonly identity: Identity | undefined = undefined
  readonly #options: GroupOptions
  constructor(
    options: GroupOptions,
    _coordinator: unknown,
    _ownership: unknown,
    _deps: unknown,
    _onSettled: () => void,
  ) {
    this.#options = options
  }
  async run(): Promise<void> {
    throw new MqError('MQ_KAFKA_VERSION', `The classic group protocol is not there yet (${this.#options.groupId})`)
  }
  nudge(): void {}
  async leave(): Promise<void> {}
}
