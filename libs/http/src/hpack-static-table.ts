/** The static table of HPACK; index 1 is at position 0. Spec: RFC 7541 appendix A. */
export const staticNames: readonly string[] = [
  ':authority',
  ':method',
  ':method',
  ':path',
  ':path',
  ':scheme',
  ':scheme',
  ':status',
  ':status',
  ':status',
  ':status',
  ':status',
  ':status',
  ':status',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'accept-ranges',
  'accept',
  'access-control-allow-origin',
  'age',
  'allow',
  'authorization',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'etag',
  'expect',
  'expires',
  'from',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-modified',
  'link',
  'location',
  'max-forwards',
  'proxy-authenticate',
  'proxy-authorization',
  'range',
  'referer',
  'refresh',
  'retry-after',
  'server',
  'set-cookie',
  'strict-transport-security',
  'transfer-encoding',
  'user-agent',
  'vary',
  'via',
  'www-authenticate',
];

/** Values of the static entries that have one; the others are empty. */
export const staticValues: readonly string[] = [
  '',
  'GET',
  'POST',
  '/',
  '/index.html',
  'http',
  'https',
  '200',
  '204',
  '206',
  '304',
  '400',
  '404',
  '500',
  '',
  'gzip, deflate',
];

/** Entries of the static table. */
export const staticTableSize: number = 61;

let firstIndexes: ReadonlyMap<string, number> | undefined;

/** Position of the first entry with this name; -1 if there is none. */
export function staticNameIndex(name: string): number {
  // Later pairs win in a Map, so the first of a name has to come last.
  firstIndexes ??= new Map(staticNames.map((known, index) => [known, index] as const).toReversed());
  return firstIndexes.get(name) ?? -1;
}
