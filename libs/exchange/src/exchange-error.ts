/**
 * Why an exchange or a connection ended before its time.
 * `reset`: the peer gave this exchange up (RST_STREAM; code in `http2Code`). `refused`: it was not processed and may be
 * repeated (REFUSED_STREAM, above the last stream of a GOAWAY, an idle connection closed before the first byte of an answer).
 * `lost`: the connection broke. `protocol`: the peer sent what is not HTTP. `timeout`: a limit of this side. `overload`: a limit
 * of bytes or a flood. `closed`: this side ended it.
 */
export type ExchangeErrorKind = 'reset' | 'refused' | 'lost' | 'protocol' | 'timeout' | 'overload' | 'closed';

export class ExchangeError extends Error {
  readonly kind: ExchangeErrorKind;
  /** HTTP/2 error code, when one was received. */
  readonly http2Code: number | undefined;
  /** For a `protocol` error of a request: the status to answer with; otherwise 0. */
  readonly status: number;

  constructor(kind: ExchangeErrorKind, message: string, options: { http2Code?: number; status?: number } = {}) {
    super(message);
    this.name = 'ExchangeError';
    this.kind = kind;
    this.http2Code = options.http2Code;
    this.status = options.status ?? 0;
  }
}
