import { readFileSync } from 'node:fs';
import { GrpcError } from './grpc-error.ts';

/** Where the bearer token of a call comes from: a file that is read again for each call, or a fixed string. */
export type TokenSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'literal'; readonly token: string };

/** Larger than any service-account token; a bigger file is a mistake. */
const MAX_TOKEN_BYTES = 64 * 1024;

/**
 * Reads the setting `AUTH_TOKEN`: a compact JWS (two dots, no slash) is a literal token, anything else a file path,
 * with or without `file://`.
 * Istio: ztunnel `AUTH_TOKEN`.
 */
export function parseTokenSource(setting: string): TokenSource {
  if (/^[\w-]+\.[\w-]+\.[\w-]*$/.test(setting)) return { kind: 'literal', token: setting };
  return { kind: 'file', path: setting.replace(/^file:\/\//, '') };
}

/**
 * Returns the token to send now. Reads synchronously: the file is small, on tmpfs, and read once per RPC, and a token
 * rotated by the kubelet must never be sent from a cache.
 * Throws GrpcError UNAUTHENTICATED if the file is missing, empty or absurdly large.
 */
export function readToken(source: TokenSource): string {
  if (source.kind === 'literal') return source.token;
  let text: string;
  try {
    text = readFileSync(source.path, 'utf8').trim();
  } catch (error) {
    throw new GrpcError('UNAUTHENTICATED', `cannot read the token file ${source.path}`, { cause: error });
  }
  if (text.length === 0) throw new GrpcError('UNAUTHENTICATED', `the token file ${source.path} is empty`);
  if (text.length > MAX_TOKEN_BYTES)
    throw new GrpcError('UNAUTHENTICATED', `the token file ${source.path} is too large`);
  return text;
}
