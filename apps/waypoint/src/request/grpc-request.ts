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
