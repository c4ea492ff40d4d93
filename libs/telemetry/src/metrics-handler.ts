/** The HTTP side of a scrape: paths, content type, compression. For `node:http` on a control thread. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { brotliCompress, constants, deflate, gzip, zstdCompress } from 'node:zlib';
import { type ContentCoding, negotiateCoding, negotiateContentType } from './content-negotiation.ts';

const PATHS: ReadonlySet<string> = new Set(['/metrics', '/stats/prometheus']);
/** Smaller texts are sent as they are. */
const MIN_COMPRESSED_BYTES = 32;

type Compressed = (error: Error | null, bytes: Uint8Array) => void;

/** What is scraped; a `MetricRegistry` of the main thread. */
export interface Scrapable {
  expose(): string;
}

/**
 * A request listener for `/metrics` and `/stats/prometheus`; 404 elsewhere, 405 for other methods than GET and HEAD,
 * 406 when the client refuses every coding. Never throws; a failing scrape answers 500.
 */
export function metricsHandler(source: Scrapable): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    if (!PATHS.has(path)) return end(response, 404);
    if (request.method !== 'GET' && request.method !== 'HEAD') return end(response, 405);
    const coding = negotiateCoding(joined(request.headers['accept-encoding']));
    if (coding === undefined) return end(response, 406);
    let text: Buffer;
    try {
      text = Buffer.from(source.expose());
    } catch (error) {
      response.statusCode = 500;
      response.end(error instanceof Error ? error.message : 'scrape failed');
      return;
    }
    response.setHeader('content-type', negotiateContentType(joined(request.headers.accept)));
    response.setHeader('vary', 'accept-encoding');
    if (coding === 'identity' || text.length < MIN_COMPRESSED_BYTES) return send(request, response, text);
    compress(coding, text, (error, bytes) => {
      if (error !== null) return end(response, 500);
      response.setHeader('content-encoding', coding);
      send(request, response, bytes);
    });
  };
}

function compress(coding: Exclude<ContentCoding, 'identity'>, text: Buffer, done: Compressed): void {
  switch (coding) {
    case 'gzip':
      return gzip(text, done);
    case 'deflate':
      return deflate(text, done);
    case 'br':
      // The default quality of 11 takes seconds for a megabyte.
      return brotliCompress(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }, done);
    case 'zstd':
      return zstdCompress(text, done);
  }
}

function send(request: IncomingMessage, response: ServerResponse, bytes: Uint8Array): void {
  response.setHeader('content-length', bytes.length);
  if (request.method === 'HEAD') response.end();
  else response.end(bytes);
}

function end(response: ServerResponse, status: number): void {
  response.statusCode = status;
  response.end();
}

function joined(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(',') : header;
}
