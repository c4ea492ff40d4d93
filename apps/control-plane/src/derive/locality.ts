import { workload } from '@ambit/api';
import type { Labels } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';

/** Locality of a node's pods; undefined when the node has none of the labels. */
export function nodeLocality(labels: Labels | undefined): workload.Locality | undefined {
  return locality(
    labels?.['topology.kubernetes.io/region'],
    labels?.['topology.kubernetes.io/zone'],
    labels?.['topology.istio.io/subzone'],
  );
}

/** Locality written as `region/zone/subzone`. */
export function writtenLocality(text: string | undefined): workload.Locality | undefined {
  const [region, zone, subzone] = text?.split('/') ?? [];
  return locality(region, zone, subzone);
}

function locality(region = '', zone = '', subzone = ''): workload.Locality | undefined {
  if (region === '' && zone === '' && subzone === '') return undefined;
  return create(workload.LocalitySchema, { region, zone, subzone });
}
