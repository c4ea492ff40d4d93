/** What users lay over the generated objects of a gateway: a ConfigMap whose keys are YAML. */
import { isPlainObject, type PlainObject } from '@ambit/kube';
import { parse } from 'yaml';

/** Generated kinds, as they are named in a ConfigMap. */
export const overlayKeys = [
  'deployment',
  'service',
  'serviceAccount',
  'horizontalPodAutoscaler',
  'podDisruptionBudget',
] as const;
export type OverlayKey = (typeof overlayKeys)[number];

export type Overlays = Readonly<Partial<Record<OverlayKey, PlainObject>>>;

/** Larger ones are refused: they are parsed on each change. */
const maxChars = 262_144;

/** @returns overlays, or a sentence for the Gateway's status: `InvalidParameters`. */
export function readOverlays(name: string, data: PlainObject): Overlays | string {
  const overlays: Partial<Record<OverlayKey, PlainObject>> = {};
  for (const [key, text] of Object.entries(data)) {
    const known = overlayKeys.find((overlay) => overlay === key);
    if (known === undefined) {
      return `ConfigMap ${name}: key ${JSON.stringify(key)} is none of ${overlayKeys.join(', ')}`;
    }
    const overlay = readOverlay(text);
    if (typeof overlay === 'string') return `ConfigMap ${name}: key ${key}: ${overlay}`;
    overlays[known] = overlay;
  }
  return overlays;
}

function readOverlay(text: unknown): PlainObject | string {
  if (typeof text !== 'string') return 'no text';
  if (text.length > maxChars) return `more than ${maxChars} characters`;
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 0 });
  } catch (cause) {
    return `no YAML: ${cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : 'unreadable'}`;
  }
  if (!isPlainObject(value)) return 'no object';
  const metadata = value['metadata'];
  if (isPlainObject(metadata) && ('name' in metadata || 'namespace' in metadata)) {
    return 'metadata.name and metadata.namespace cannot be changed';
  }
  return value;
}
