/**
 * The header that makes a short batch longer than the size limit of a sealed topic (E4 of batch-encoder.ts).
 *
 * It stands only on the last record of a batch that would be too short. Readers leave it out, and applications may not set it.
 */
export const PADDING_HEADER = 'mq-pad'
