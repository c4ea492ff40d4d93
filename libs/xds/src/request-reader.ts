import { type DecodedRequest, decodeRequest } from './delta-request.ts';

/** Acknowledgements that are remembered: there are few responses under way at a time. */
const REMEMBERED = 8;
/** Longer requests are not acknowledgements alone. */
const MAX_BYTES = 512;

interface Known {
  readonly bytes: Buffer;
  readonly decoded: DecodedRequest;
}

/**
 * Decodes requests of all streams of a server. Responses are shared, so their acknowledgements are the same bytes from
 * thousands of streams: each is decoded once and known again by comparison.
 */
export class RequestReader {
  readonly #known: Known[] = [];

  /**
   * With `isView` the bytes are the caller's again afterwards; otherwise they belong to the result.
   * Throws `XdsError` `MALFORMED`.
   */
  read(bytes: Uint8Array, isView: boolean): DecodedRequest {
    if (bytes.length > MAX_BYTES) return decodeRequest(isView ? Buffer.from(bytes) : bytes);
    for (const known of this.#known) {
      if (known.bytes.length === bytes.length && known.bytes.equals(bytes)) return known.decoded;
    }
    const copy = Buffer.from(bytes);
    const decoded = decodeRequest(copy);
    if (isAcknowledgement(decoded)) {
      this.#known.unshift({ bytes: copy, decoded });
      this.#known.length = Math.min(this.#known.length, REMEMBERED);
    }
    return decoded;
  }
}

/** Nothing but a type and a nonce: the record can be shared, because nobody changes it. */
function isAcknowledgement({ node, request }: DecodedRequest): boolean {
  const { nonce, error, subscribe, unsubscribe, initialVersions } = request;
  return (
    nonce !== '' &&
    node === undefined &&
    error === undefined &&
    subscribe.length + unsubscribe.length + initialVersions.size === 0
  );
}
