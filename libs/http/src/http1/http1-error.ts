/** What was wrong with an HTTP/1.1 message; stable, used as response code detail in access logs. */
export type Http1Breach =
  | 'line_ending'
  | 'request_line'
  | 'status_line'
  | 'version'
  | 'target'
  | 'field_syntax'
  | 'host'
  | 'content_length'
  | 'transfer_encoding'
  | 'framing'
  | 'chunk'
  | 'trailers'
  | 'connection_field'
  | 'head_too_large'
  | 'too_many_fields';

/**
 * A message that two programs could read differently, or that breaks a limit of ours. The connection is lost: after an
 * answer with `status` (a server) or without one (a client) it has to be closed, as nobody knows where the message ends.
 */
export class Http1Error extends Error {
  readonly breach: Http1Breach;
  /** 400, 431, 501 or 505: what a server answers. */
  readonly status: number;

  constructor(breach: Http1Breach, detail: string, status = 400) {
    super(detail);
    this.name = 'Http1Error';
    this.breach = breach;
    this.status = status;
  }
}
