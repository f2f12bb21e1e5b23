/** All price books that come with mQ, by id. */
import { MqError } from '@mq/contract'
import {
  awsMskApSoutheast1,
  awsMskExpressUsEast1,
  awsMskServerlessUsEast1,
  awsMskUsEast1,
  awsUsEast1,
} from './books/aws.ts'
import { azureCentralindia, azureEastus, gcpUsCentral1, googleManagedKafka } from './books/clouds.ts'
import { confluentBasic, confluentEnterprise, confluentStandard } from './books/confluent.ts'
import { ownHardware } from './books/own-hardware.ts'
import type { PriceBook } from './price-book.ts'

const BOOKS: readonly PriceBook[] = [
  awsUsEast1,
  awsMskUsEast1,
  awsMskApSoutheast1,
  awsMskExpressUsEast1,
  awsMskServerlessUsEast1,
  gcpUsCentral1,
  googleManagedKafka,
  azureEastus,
  azureCentralindia,
  confluentBasic,
  confluentStandard,
  confluentEnterprise,
  ownHardware,
]

export function priceBooks(): readonly PriceBook[] {
  return BOOKS
}

export function priceBook(id: string): PriceBook {
  const book = BOOKS.find((each) => each.id === id)
  if (book === undefined) {
    throw new MqError(
      'MQ_PRICE_BOOK_UNKNOWN',
      `There is no price book '${id}'; there are: ${BOOKS.map((each) => each.id).join(', ')}`,
      { details: { priceBook: id, known: BOOKS.map((each) => each.id) } },
    )
  }
  return book
}
