import { security, workload } from '@ambit/api';
import { compareText } from '@ambit/collections';
import { type DescMessage, type JsonValue, type MessageShape, toJson } from '@bufbuild/protobuf';
import { ipText } from './ip-prefix.ts';
import type { MeshCollections } from './mesh-collections.ts';
import { workloadMessage } from './mesh-workload.ts';

/** The whole derived mesh in the JSON form of its messages, with addresses as text; sorted by name. */
export interface MeshDescription {
  readonly workloads: readonly JsonValue[];
  readonly services: readonly JsonValue[];
  readonly policies: readonly JsonValue[];
}

/** For people and golden files. Addresses are text instead of base64. */
export function describeMesh(mesh: Pick<MeshCollections, 'workloads' | 'services' | 'policies'>): MeshDescription {
  return {
    workloads: sorted(mesh.workloads.entries()).map((item) => describe(workload.WorkloadSchema, workloadMessage(item))),
    services: sorted(mesh.services.entries()).map((item) => describe(workload.ServiceSchema, item.message)),
    policies: sorted(mesh.policies.entries()).map((item) => describe(security.AuthorizationSchema, item.message)),
  };
}

function sorted<T>(entries: Iterable<readonly [string, T]>): readonly T[] {
  return [...entries].toSorted(([a], [b]) => compareText(a, b)).map(([, item]) => item);
}

function describe<D extends DescMessage>(schema: D, message: MessageShape<D>): JsonValue {
  return withTextAddresses(toJson(schema, message), '');
}

/** Byte fields are the only ones called `address` or `addresses` that hold strings. */
function withTextAddresses(value: JsonValue, field: string): JsonValue {
  if (typeof value === 'string') {
    return field === 'address' || field === 'addresses' ? ipText(Buffer.from(value, 'base64')) : value;
  }
  if (Array.isArray(value)) return value.map((item) => withTextAddresses(item, field));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withTextAddresses(inner, key)]));
}
