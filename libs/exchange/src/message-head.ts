import type { FieldList } from './field-list.ts';

/** As access logs and metrics write it. */
export type HttpProtocol = 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';

/**
 * The head of a request, the same for both versions of HTTP. Connection fields (Connection, Keep-Alive, TE but for
 * `trailers`, Transfer-Encoding, Upgrade, Content-Length, Host, Expect, Trailer of HTTP/1.1, and what Connection names) are not among the fields: each
 * connection writes its own. Owned by the exchange; whoever handles it may edit it.
 */
export interface RequestHead {
  method: string;
  /** `http` or `https`, as the client's side says. */
  scheme: string;
  /** Host or `:authority` as sent. */
  authority: string;
  /** `/path?query`, or `*`. Absolute forms of HTTP/1.1 have been taken apart. */
  target: string;
  readonly fields: FieldList;
  readonly protocol: HttpProtocol;
  /** Undefined: not known (chunked, or HTTP/2 without a length). 0 with `hasBody` false. */
  readonly contentLength: number | undefined;
  readonly hasBody: boolean;
  /**
   * Value of Upgrade when the client asks for one (HTTP/1.1, without a body, other than h2c), or `:protocol` of an extended
   * CONNECT.
   */
  readonly upgrade: string | undefined;
  readonly expectsContinue: boolean;
}

/** The head of a response. Connection fields are not among the fields. */
export interface ResponseHead {
  status: number;
  readonly fields: FieldList;
  /** Undefined: not known. Sent as content-length by HTTP/1.1, which frames by chunks without. */
  readonly contentLength: number | undefined;
  /** Of a 101: what the connection has become; without it what the client asked for is written. */
  readonly upgrade?: string | undefined;
}
