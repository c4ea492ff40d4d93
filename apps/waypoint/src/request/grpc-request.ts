import type { FieldList } from '@ambit/exchange';

const contentType = 'application/grpc';

/** Whether the fields say gRPC: `application/grpc`, also with `+proto` and the like; not gRPC-Web. Spec: gRPC over HTTP/2. */
export function isGrpcMessage(fields: FieldList): boolean {
  const type = fields.get('content-type');
  if (type === undefined || !type.startsWith(contentType)) return false;
  if (type.length === contentType.length) return true;
  const next = type.charCodeAt(contentType.length);
  return next === 0x2b || next === 0x3b;
}

/** The status in trailers, or in the head of an answer without body; undefined if there is none. */
export function grpcStatusOf(fields: FieldList | undefined): number | undefined {
  const text = fields?.get('grpc-status');
  if (text === undefined || !/^[0-9]{1,3}$/.test(text)) return undefined;
  return Number(text);
}

/** What a gRPC client is told instead of an HTTP status. Spec: contract l7 6.3. */
export function grpcStatusFor(httpStatus: number): number {
  switch (httpStatus) {
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
}

/** `grpc-message`: all but visible ASCII and the percent sign is escaped. */
export function grpcMessageText(text: string): string {
  let escaped = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    escaped +=
      byte < 0x20 || byte > 0x7e || byte === 0x25
        ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
        : String.fromCharCode(byte);
  }
  return escaped;
}

/** A flag byte and four bytes of length. */
export const framePrefixBytes = 5;

/** One message, not compressed, with its prefix. */
export function frameMessage(message: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(framePrefixBytes + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, framePrefixBytes);
  return frame;
}
