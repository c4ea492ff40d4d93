/** Decoder of one istio.workload.Address resource. Spec: contract data-plane 5.1. */
import { readService } from './decode-service.ts';
import { readWorkload } from './decode-workload.ts';
import { WireReader } from './wire-reader.ts';
import type { Service, Workload } from './workload.ts';
import { WorkloadError } from './workload-error.ts';

/** What an Address resource holds. */
export type Address =
  | { readonly kind: 'workload'; readonly workload: Workload }
  | { readonly kind: 'service'; readonly service: Service };

/** No resource of the mesh is near this; a larger one is refused before it is read. */
export const maxAddressBytes: number = 4 * 1024 * 1024;

/**
 * Decodes and validates a resource. The result does not refer to the given memory.
 * Throws `WorkloadError`; its message is the text of the NACK.
 */
export function decodeAddress(bytes: Uint8Array, offset = 0, length?: number): Address {
  const size = length ?? bytes.length - offset;
  if (size > maxAddressBytes) {
    throw new WorkloadError('WORKLOAD_TOO_LARGE', `resource of ${size} bytes`);
  }
  const reader = new WireReader().reset(bytes, offset, size);
  let address: Address | undefined;
  while (reader.hasMore) {
    const tag = reader.tag();
    if (tag !== 0x0a && tag !== 0x12) {
      reader.skip(tag);
      continue;
    }
    const outer = reader.enter();
    address =
      tag === 0x0a
        ? { kind: 'workload', workload: readWorkload(reader) }
        : { kind: 'service', service: readService(reader) };
    reader.leave(outer);
  }
  if (address === undefined) {
    throw new WorkloadError('WORKLOAD_MALFORMED', 'address is neither workload nor service');
  }
  return address;
}
