/** Bounds on what a peer can make the decoder hold. */
export interface Http1Limits {
  /** Start line, fields and their ends, in bytes. Over it: 431. */
  readonly maxHeadBytes: number;
  /** Number of fields in a head or a trailer section. Over it: 431. */
  readonly maxFields: number;
  /** Trailer section, in bytes. */
  readonly maxTrailerBytes: number;
}

/** Envoy's defaults, which users know: 60 KiB and 100 fields. */
export const defaultHttp1Limits: Http1Limits = { maxHeadBytes: 61_440, maxFields: 100, maxTrailerBytes: 8192 };
