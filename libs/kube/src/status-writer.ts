import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { PlainObject } from './object-reader.ts';
import type { PodPhase } from './resources/pod.ts';

/** The part of a Pod that one writer contributes. What is absent is left to the manifest and other writers. */
export interface PodStatusPart {
  readonly uid?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly nodeName?: string;
  readonly podIPs?: readonly string[];
  readonly phase?: PodPhase;
  /** Condition `Ready`. */
  readonly isReady?: boolean;
  /** RFC 3339; set while the pod is being terminated. */
  readonly deletionTimestamp?: string;
}

let writeCount = 0;

/**
 * Writes the part of a pod that `writer` owns to `<dir>/<namespace>.<pod>.<writer>.yaml`. The file is replaced as a
 * whole (readers see the old or the new one) and not touched when its content is the same. Synchronous; throws what
 * the file system throws.
 */
export function writePodStatus(dir: string, namespace: string, pod: string, writer: string, part: PodStatusPart): void {
  writeStatus(join(dir, podStatusFile(namespace, pod, writer)), {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: withoutUndefined({
      namespace,
      name: pod,
      uid: part.uid,
      deletionTimestamp: part.deletionTimestamp,
      annotations: part.annotations,
    }),
    ...(part.nodeName === undefined ? {} : { spec: { nodeName: part.nodeName } }),
    status: withoutUndefined({
      phase: part.phase,
      podIPs: part.podIPs?.map((ip) => ({ ip })),
      conditions: part.isReady === undefined ? undefined : [{ type: 'Ready', status: part.isReady ? 'True' : 'False' }],
    }),
  });
}

/** Removes what `writePodStatus` wrote; nothing happens when there is no such file. */
export function removePodStatus(dir: string, namespace: string, pod: string, writer: string): void {
  rmSync(join(dir, podStatusFile(namespace, pod, writer)), { force: true });
}

/** Name of the status file one writer has for one pod. */
export function podStatusFile(namespace: string, pod: string, writer: string): string {
  return `${namespace}.${pod}.${writer}.yaml`;
}

/**
 * Writes a partial object of any kind (apiVersion, kind, metadata with name and namespace, and the fields to lay over
 * the manifest) atomically. The folder is made if it is missing.
 */
export function writeStatus(file: string, overlay: PlainObject): void {
  const text = stringify(overlay);
  if (readIfPresent(file) === text) return;
  const directory = join(file, '..');
  mkdirSync(directory, { recursive: true });
  // The leading dot keeps folder sources from reading it before it is whole.
  const temporary = join(directory, `.${process.pid}.${writeCount++}.tmp`);
  writeFileSync(temporary, text);
  renameSync(temporary, file);
}

function readIfPresent(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function withoutUndefined(value: PlainObject): PlainObject {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined));
}
