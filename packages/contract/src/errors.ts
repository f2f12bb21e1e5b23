/**
 * The error catalogue: every failure mQ reports has a code here, and the docs page is held equal to it by a test.
 *
 * E1. A message says what happened, with the names and numbers of this case; `action` says what to do.
 * E2. `retryable` belongs to the code, not to the occasion: the same call may succeed later without a change by a person.
 * E3. No message, detail or cause holds a secret or a payload.
 */

import { type CatalogueEntry, entry } from './catalogue-entry.ts'
import { migrationErrors } from './migration-errors.ts'
import { storeErrors } from './store-errors.ts'

export type { CatalogueEntry }

export const catalogue = {
  // Names and intents
  MQ_ID_INVALID: entry(
    'The text is not an mQ ID',
    'Use lower-case words joined by dots, such as orders.placed',
    false,
    400,
  ),
  MQ_ID_UNKNOWN: entry('No such mQ ID', 'Declare it with `mq apply`, or check the spelling with `mq list`', false, 404),
  MQ_ID_UNSETTLED: entry(
    'The control plane was restored from a backup and does not know yet where the mQ ID stands',
    'Applications go on with what they have. Wait until the clusters that the message names answer; if they never will, say what holds with `mq settle`',
    true,
    503,
  ),
  MQ_ID_DELETED: entry(
    'The mQ ID was deleted',
    'Bring it back with `mq undelete` while its records are kept, declare it anew with `mq apply`, or stop using it',
    false,
    410,
  ),
  MQ_ID_IN_USE: entry(
    'Applications or groups use the mQ ID now',
    'Stop what the message names, or pass --force: they would fail from then on',
    false,
    409,
  ),
  MQ_NAME_INVALID: entry(
    'The text is not a valid name',
    "Use letters, digits, '.', '-' and '_', starting and ending with a letter or digit",
    false,
    400,
  ),
  MQ_INTENT_INVALID: entry(
    'The intent is malformed or contradicts itself',
    'Change the field that the message names',
    false,
    400,
  ),
  MQ_INTENT_UNMET: entry(
    'No registered cluster can meet the intent',
    'Relax the requirement that the message names, or register a cluster that can',
    false,
    422,
  ),
  MQ_PLACEMENT_WAITS: entry(
    'No cluster that answers meets the intent, and one that does not answer, or not as a whole, may',
    'Bring back the cluster or brokers that the message names, or ask for less: fewer copies with minCopies, or --replication for a migration',
    true,
    503,
  ),
  MQ_FILE_INVALID: entry(
    'The file cannot be read as mQ declarations',
    'Mend the line and column that the message names',
    false,
    400,
  ),
  MQ_OPTION_INVALID: entry(
    'An option or argument has an unusable value',
    'Change the option that the message names',
    false,
    400,
  ),
  MQ_CONFIG_INVALID: entry(
    'The configuration of the control plane cannot be used',
    'Change what the message names; `mq serve --print-config` shows every value and where it comes from',
    false,
    400,
  ),
  MQ_CONFIRMATION_NEEDED: entry(
    'What was asked for deletes or resets something, and nobody said yes',
    'See what it does (`--plan` or `--dry-run`, whichever there is), then pass --yes',
    false,
    409,
  ),
  MQ_COMMAND_UNKNOWN: entry('There is no such command', 'See `mq --help` for the commands there are', false, 400),
  // Messages
  MQ_MESSAGE_TOO_LARGE: entry(
    'The message is over the size limit',
    'Send less, or raise maxMessageBytes in the intent',
    false,
    413,
  ),
  MQ_MESSAGE_INVALID: entry(
    'A key, value or header has the wrong type',
    'Change what the message names: its value, key, headers or options',
    false,
    400,
  ),
  MQ_SCHEMA_MISMATCH: entry('The value does not match its schema', 'Mend the value or the schema', false, 400),
  MQ_DECODE_FAILED: entry(
    'A stored value is not in the format of the mQ ID',
    'Check who writes to it, and with which format',
    false,
    422,
  ),
  MQ_HANDLER_FAILED: entry(
    'The handler threw for a message',
    'Mend the handler; the message is handed to it again',
    true,
    500,
  ),
  MQ_HANDLER_TIMEOUT: entry(
    'A handler runs for too long',
    'See what it waits for, as its key waits with it; with handlerTimeoutMs it gets a signal to give up',
    true,
    504,
  ),
  // Sending
  MQ_SEND_TIMEOUT: entry(
    'The message could not be sent before its deadline, and is not stored',
    'Check the cluster with `mq doctor`, then send it again: that makes no second copy',
    true,
    504,
  ),
  MQ_SEND_UNCERTAIN: entry(
    'The message was sent and not acknowledged: it may or may not be stored',
    'Read the end of the mQ ID, or send again if a second copy does no harm',
    true,
    504,
  ),
  MQ_SEND_CANCELLED: entry(
    'A signal gave the message up; it is not stored',
    'Send it again if it is wanted',
    false,
    499,
  ),
  MQ_TIMESTAMP_REFUSED: entry(
    'The time of the message is further from now than its mQ ID takes; it is not stored',
    'Pass timestampMs in milliseconds since 1970 and within what the text names, or leave it out for the time of sending. If the clock of this host is named, set it right',
    false,
    422,
  ),
  MQ_CLOCK_WRONG: entry(
    'The clock of this host is so wrong that Kafka refuses its times',
    'Set the clock right. Until then messages without a time of their own carry that of the brokers, and nothing is lost',
    false,
    500,
  ),
  MQ_MESSAGE_REFUSED: entry('Kafka refused the message; it is not stored', 'Change what the text names', false, 422),
  MQ_BUFFER_FULL: entry('Too many sends wait for room in the buffer', 'Await sends, or slow down', true, 503),
  MQ_PRODUCER_FENCED: entry('Another producer took over this producer id', 'Create a new connection', false, 409),
  MQ_CLOSED: entry('The connection to mQ was closed', 'Do not use it after close()', false, 409),
  MQ_CLOSE_INCOMPLETE: entry(
    'Some records were not acknowledged before close() had to end',
    'Give close() more time, or send them again',
    true,
    504,
  ),
  // Kafka
  MQ_KAFKA_UNREACHABLE: entry(
    'No broker of the cluster answers',
    'Check that the cluster runs and that its addresses are right',
    true,
    503,
  ),
  MQ_KAFKA_ADVERTISED: entry(
    'A broker advertises an address that cannot be reached from here',
    'Set advertised.listeners of the broker to an address that clients can reach, or make that name and port reachable from here',
    true,
    503,
  ),
  MQ_KAFKA_TIMEOUT: entry(
    'A broker did not answer in time',
    'Check the load of the cluster; the request is tried again',
    true,
    504,
  ),
  MQ_KAFKA_THROTTLED: entry(
    'A cluster slows this client down for a quota',
    'Nothing is lost. Raise the quota of its client id or user, or read and write less',
    true,
    429,
  ),
  MQ_KAFKA_AUTH_FAILED: entry('The cluster refused the credentials', 'Check mechanism, user and secret', false, 401),
  MQ_KAFKA_TLS_FAILED: entry(
    'The TLS certificate of a broker or of this client was not accepted',
    'Check the CA, the client certificate, and that the address stands in the certificate of the broker',
    false,
    502,
  ),
  MQ_KAFKA_FORBIDDEN: entry(
    'The cluster does not allow the operation',
    'Grant the right that the message names',
    false,
    403,
  ),
  MQ_KAFKA_VERSION: entry(
    'A broker does not speak a version of a request that mQ speaks, or has it switched off',
    'See the request and the versions that the message names: docs/reference/kafka-versions.md says what mQ speaks of each',
    false,
    422,
  ),
  MQ_KAFKA_REFUSED: entry('The cluster refused the request', 'See the Kafka error named in the message', false, 502),
  MQ_KAFKA_UNAVAILABLE: entry(
    'The cluster cannot serve the request now',
    'Wait: leaders are being elected or replicas are short',
    true,
    503,
  ),
  MQ_TOPIC_MISSING: entry(
    'The topic of an mQ ID is gone',
    'Someone deleted it outside mQ; `mq drift repair ID` makes it again, without what it held',
    false,
    410,
  ),
  MQ_DRIFT_REFUSED: entry(
    'A change that somebody made to a topic cannot be resolved as asked',
    'Do what the message names instead, or name the differences that are meant with --kind',
    false,
    409,
  ),
  MQ_TOPIC_CHANGED: entry(
    'The topic of an mQ ID is not the one that mQ made',
    'Somebody deleted it and created it anew outside mQ; `mq drift ID` says what differs and what can be done',
    false,
    409,
  ),
  MQ_TOPIC_RECREATED: entry(
    'A topic was deleted and created again under its name',
    'Nothing, if that was meant: groups read the new topic from its beginning; what was in the old one is gone',
    false,
    410,
  ),
  MQ_TOPIC_EXISTS: entry(
    'A topic of that name already exists',
    'Remove it or choose another mQ ID; mQ never takes over a foreign topic',
    false,
    409,
  ),
  MQ_OFFSET_LOST: entry(
    'Records were removed before the group read them',
    'Retention was shorter than the pause of the group; the message says how many',
    false,
    410,
  ),
  // Bytes
  MQ_BATCH_CORRUPT: entry(
    'A record batch is damaged',
    'Check the disks of the cluster; the batch was not delivered',
    false,
    502,
  ),
  MQ_BATCH_UNSUPPORTED: entry(
    'A record batch is in a message format older than Kafka 0.11',
    'Copy the topic to a new one with a current client; the batch was not delivered',
    false,
    422,
  ),
  MQ_BATCH_UNSEEN: entry(
    'No whole batch of a topic was seen, so codec and batch depth are not known',
    'Nothing is wrong with the topic; its bytes are priced by the sizes of its logs',
    true,
    502,
  ),
  MQ_CODEC_FAILED: entry(
    'Data does not match its compression codec',
    'Check who writes to the mQ ID; the batch was not delivered',
    false,
    502,
  ),
  MQ_PROTOCOL_VIOLATION: entry(
    'A broker answered with bytes that are not the Kafka protocol',
    'Check that the address is a Kafka broker and that TLS settings match',
    true,
    502,
  ),
  // Consuming
  MQ_GROUP_FAILED: entry('The group cannot be joined', 'See the Kafka error named in the message', false, 502),
  MQ_GROUP_FENCED: entry(
    'This member was put out of its group',
    'It joins again by itself; unfinished messages are handed out again',
    true,
    409,
  ),
  MQ_GROUP_IN_USE: entry(
    'The group has members now',
    'Stop them first, or look without --take; --force does it all the same',
    false,
    409,
  ),
  MQ_GROUP_HELD: entry(
    'The group is left for a moment, because a person moves its positions',
    'Nothing: it is joined again by itself, at the new positions',
    true,
    409,
  ),
  MQ_GROUP_KEPT: entry(
    'The group has positions, and the place to begin that was given does not count',
    'Use another group, or move this one with `mq group reset`',
    false,
    409,
  ),
  MQ_GROUP_CHANGE_REFUSED: entry(
    'The positions of the group cannot be changed as things stand',
    'Do what the message says, and ask again; `mq group show ID GROUP` shows where the group stands',
    false,
    409,
  ),
  MQ_GROUP_CHANGE_UNKNOWN: entry(
    'There is no such change of positions',
    'Use the number that was told when the change was asked for',
    false,
    404,
  ),
  // Control plane
  MQ_CONTROL_PLANE_AWAY: entry(
    'The control plane does not answer and nothing is cached',
    'Start it (`mq dev`), or check MQ_URL',
    true,
    503,
  ),
  MQ_RESPONSE_INVALID: entry(
    'The control plane answered with something the API does not know',
    'Check that the URL is an mQ control plane of the same version',
    false,
    502,
  ),
  MQ_BINDING_INVALID: entry(
    'A binding does not match the contract',
    'Update the client; the last good binding stays in force',
    false,
    502,
  ),
  MQ_CACHE_UNUSABLE: entry(
    'The folder of the binding cache cannot be used',
    'Let this user write to the folder that the message names, or pass another cacheDir; without it a start needs the control plane',
    false,
    500,
  ),
  MQ_CACHE_DAMAGED: entry('The binding cache cannot be read', 'Nothing: it is set aside and fetched again', true, 500),
  MQ_REQUEST_INVALID: entry(
    'The request does not match the API',
    'See the fields named in the message, or /openapi.json',
    false,
    400,
  ),
  MQ_ROUTE_UNKNOWN: entry('No such route', 'See /openapi.json', false, 404),
  MQ_UNAUTHORIZED: entry('The token is missing or wrong', 'Set MQ_TOKEN to the token of the control plane', false, 401),
  MQ_ORIGIN_REFUSED: entry(
    'The request did not come from this machine',
    'Call the API by 127.0.0.1 or localhost, or start the control plane with MQ_TOKEN',
    false,
    403,
  ),
  MQ_PERMISSION_MISSING: entry(
    'The caller is not allowed to do this',
    'Use a token with the permission that the message names; nothing was changed',
    false,
    403,
  ),
  MQ_TOKEN_REQUIRED: entry(
    'The API would listen beyond this machine without a token',
    'Set MQ_TOKEN, or MQ_TOKEN_FILE with `mq serve` (16 characters or more), or bind to 127.0.0.1',
    false,
    400,
  ),
  MQ_BUDGET_UNKNOWN: entry('No such budget', 'See `mq budget list`', false, 404),
  MQ_CLUSTER_UNKNOWN: entry('No such cluster', 'Register it, or see `mq cluster list`', false, 404),
  MQ_CLUSTER_IN_USE: entry('mQ IDs still live on the cluster', 'Move or delete them first', false, 409),
  ...migrationErrors,
  ...storeErrors,
  // Decisions
  MQ_DECISION_UNKNOWN: entry('No such decision', 'See `mq decisions`', false, 404),
  MQ_DECISION_OVER: entry('The decision is over', 'See what became of it with `mq decision show`', false, 409),
  MQ_DECISION_UNDER_WAY: entry(
    'The decision is being carried out already',
    'Watch it with `mq decision show`, or stop it with `mq undo`',
    false,
    409,
  ),
  MQ_DECISION_NOT_RECORDED: entry('The World of a decision is not kept', 'See `mq decision show`', false, 404),
  MQ_DECISION_OVERTAKEN: entry(
    'A later change stands on top of this one',
    'Undo the later one first, as the message names it',
    false,
    409,
  ),
  MQ_AUTOPILOT_OFF: entry('The autopilot is off', 'Turn it on with `mq autopilot on`', false, 409),
  // Prices and costs
  MQ_PRICE_BOOK_UNKNOWN: entry(
    'No such price book',
    'Choose one of those the message names, or give your own figures with the book own-hardware',
    false,
    404,
  ),
  MQ_PRICE_MISSING: entry(
    'A price that the cost needs is not known',
    'Give the figure that the message names as an override of the cluster; unknown is never taken for zero',
    false,
    422,
  ),
  MQ_PRICE_INVALID: entry(
    'A price or a fact about a cluster cannot be',
    'Give prices in USD, 0 or more, for meters that exist',
    false,
    400,
  ),
  MQ_TRAFFIC_UNKNOWN: entry(
    'Too little is known of the traffic of the mQ ID',
    'Let it send for a minute with a client of this release, then try again',
    true,
    409,
  ),
  MQ_TWIN_UNKNOWN: entry('No such workload twin', 'See `mq bench ID`, which prints its number', false, 404),
  MQ_TWIN_UNDER_WAY: entry('Another workload twin is running', 'Wait until it is over, or cancel it', true, 409),
  MQ_WORKLOAD_INVALID: entry(
    'The figures of a workload or a measurement cannot be',
    'Check where the figure that the message names comes from',
    false,
    400,
  ),
  MQ_INTERNAL: entry('Something inside mQ failed', 'Report it with the log; this is a defect of mQ', false, 500),
  // This machine
  MQ_CONTEXT_UNKNOWN: entry('No such context', 'See `mq context list`, or add it with `mq context set`', false, 404),
  MQ_CHECK_FAILED: entry('A check did not hold', 'See the checks named in the report', false, 500),
  MQ_PORT_IN_USE: entry(
    'The port is taken',
    'Stop the program that holds it, or choose another: --port of `mq dev`, --listen of `mq serve`',
    false,
    409,
  ),
  MQ_JAVA_MISSING: entry(
    'Java 17 or newer was not found',
    'Install it: apt-get install openjdk-17-jre-headless, or brew install openjdk@17',
    false,
    424,
  ),
  MQ_MAVEN_MISSING: entry(
    'Maven was not found',
    'Install it: apt-get install maven, or brew install maven',
    false,
    424,
  ),
  MQ_KAFKA_INSTALL_FAILED: entry(
    'Apache Kafka could not be fetched',
    'Check the network for the first run; see the log named in the message',
    true,
    502,
  ),
  MQ_KAFKA_ENDED: entry(
    'A local broker ended by itself while it ran',
    'See its log, named in the message, for why (killed, or out of memory or disk); start again: the data is kept',
    true,
    500,
  ),
  MQ_KAFKA_START_FAILED: entry('A local broker did not come up', 'See its log, named in the message', true, 500),
} as const satisfies Record<string, CatalogueEntry>

export type MqErrorCode = keyof typeof catalogue

/** Whether a text from outside is a code of the catalogue. */
export function isMqErrorCode(text: unknown): text is MqErrorCode {
  return typeof text === 'string' && Object.hasOwn(catalogue, text)
}
