/** Which representation of the metrics a request asked for. Pure. */

/** Content type of a scrape; the words are those of Istio's ztunnel, checked by scrapers. */
export type MetricsContentType =
  | 'text/plain; charset=utf-8'
  | 'application/openmetrics-text;charset=utf-8;version=1.0.0';

/** Codings that the metrics handler can apply. */
export type ContentCoding = 'identity' | 'deflate' | 'gzip' | 'br' | 'zstd';

/** Later is preferred when the client's weights are equal. Istio: observed on port 15020. */
const CODINGS: readonly ContentCoding[] = ['identity', 'deflate', 'gzip', 'br', 'zstd'];

/** OpenMetrics if named in `Accept` (whatever its weight), else plain text. */
export function negotiateContentType(accept: string | undefined): MetricsContentType {
  for (const entry of (accept ?? '').split(',')) {
    const mediaType = entry.split(';', 1)[0]?.trim().toLowerCase();
    if (mediaType === 'application/openmetrics-text') return 'application/openmetrics-text;charset=utf-8;version=1.0.0';
  }
  return 'text/plain; charset=utf-8';
}

/**
 * The coding with the highest weight; ties go to the later one in `CODINGS`. Undefined when the client refuses
 * everything, identity included. Spec: RFC 9110 section 12.5.3.
 */
export function negotiateCoding(acceptEncoding: string | undefined): ContentCoding | undefined {
  const weights = new Map<string, number>();
  for (const entry of (acceptEncoding ?? '').split(',')) {
    const [coding = '', ...parameters] = entry.split(';');
    const name = coding.trim().toLowerCase();
    if (name === '') continue;
    weights.set(name === 'x-gzip' ? 'gzip' : name, weightOf(parameters));
  }
  const wildcard = weights.get('*');
  let best: ContentCoding | undefined;
  let bestWeight = 0;
  for (const coding of CODINGS) {
    const weight = weights.get(coding) ?? wildcard ?? 0;
    if (weight > 0 && weight >= bestWeight) {
      best = coding;
      bestWeight = weight;
    }
  }
  if (best !== undefined) return best;
  return weights.get('identity') === 0 || wildcard === 0 ? undefined : 'identity';
}

function weightOf(parameters: readonly string[]): number {
  for (const parameter of parameters) {
    const match = /^\s*q=([01](?:\.\d{0,3})?)\s*$/i.exec(parameter);
    if (match !== null) return Math.min(1, Number(match[1]));
  }
  return 1;
}
