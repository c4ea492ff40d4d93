import { errorCodeName } from './frame-type.ts';

/**
 * A breach of HTTP/2 by the peer, or a limit of ours that it hit.
 *
 * `streamId` 0: the connection is lost, answer with GOAWAY and close. Otherwise only that stream is, answer with
 * RST_STREAM. `code` goes on the wire. Thrown by the codecs; thrown on rare paths only, so the cost does not matter.
 */
export class Http2Error extends Error {
  readonly code: number;
  readonly streamId: number;

  constructor(code: number, detail: string, streamId = 0) {
    super(`${detail} (${errorCodeName(code)})`);
    this.name = 'Http2Error';
    this.code = code;
    this.streamId = streamId;
  }

  get isConnectionError(): boolean {
    return this.streamId === 0;
  }
}
