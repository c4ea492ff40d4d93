import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';

/** Lets objects of other namespaces refer to objects of its own. */
export interface ReferenceGrant extends ResourceBase<'ReferenceGrant'> {
  readonly spec: {
    readonly from: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[];
    readonly to: readonly { readonly group: string; readonly kind: string; readonly name: string | undefined }[];
  };
}

export function readReferenceGrant(reader: ObjectReader, metadata: ObjectMeta, origin: Location): ReferenceGrant {
  const spec = reader.requiredObject('spec', (body) => ({
    from: body.objects('from', (from) => ({
      group: from.string('group') ?? '',
      kind: from.requiredString('kind'),
      namespace: from.requiredString('namespace'),
    })),
    to: body.objects('to', (to) => ({
      group: to.string('group') ?? '',
      kind: to.requiredString('kind'),
      name: to.string('name'),
    })),
  }));
  reader.ignore('status');
  return { kind: 'ReferenceGrant', metadata, origin, spec: spec ?? { from: [], to: [] } };
}
