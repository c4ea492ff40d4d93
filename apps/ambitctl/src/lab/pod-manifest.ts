/**
 * The part of a pod's YAML that the mesh does not care for but a kubelet does: what to run and when it is ready.
 * There are no images: a container's command is run from the machine's own file system.
 */
import { readFileSync } from 'node:fs';
import type { Pod } from '@ambit/kube';
import { parseAllDocuments } from 'yaml';
import { LabError } from './lab-error.ts';

export type ReadinessProbe =
  | { readonly kind: 'tcp'; readonly port: number; readonly periodMs: number }
  | { readonly kind: 'http'; readonly port: number; readonly path: string; readonly periodMs: number }
  | { readonly kind: 'exec'; readonly command: readonly string[]; readonly periodMs: number };

export interface ContainerCommand {
  readonly name: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly probe: ReadinessProbe | undefined;
}

export interface PodManifest {
  readonly containers: readonly ContainerCommand[];
  readonly restarts: boolean;
}

/**
 * Reads it from the file the pod came from; `variables` replace `$(NAME)` in commands, as in Kubernetes.
 * @throws LabError `BAD_MANIFEST` when a container has no command or a probe cannot be read.
 */
export function readPodManifest(pod: Pod, variables: Readonly<Record<string, string>>): PodManifest {
  const text = readFileSync(pod.origin.file, 'utf8');
  const { namespace, name } = pod.metadata;
  for (const document of parseAllDocuments(text)) {
    const root = mapOf(document.toJS());
    const metadata = mapOf(root.get('metadata'));
    if (
      root.get('kind') !== 'Pod' ||
      metadata.get('name') !== name ||
      (metadata.get('namespace') ?? 'default') !== namespace
    )
      continue;
    const spec = mapOf(root.get('spec'));
    return {
      containers: listOf(spec.get('containers')).map((entry) =>
        readContainer(mapOf(entry), variables, `${pod.origin.file}: pod ${namespace}/${name}`),
      ),
      restarts: (spec.get('restartPolicy') ?? 'Always') === 'Always',
    };
  }
  throw new LabError('BAD_MANIFEST', `${pod.origin.file}: pod ${namespace}/${name} is not there any more`);
}

type Fields = ReadonlyMap<string, unknown>;

function readContainer(fields: Fields, variables: Readonly<Record<string, string>>, place: string): ContainerCommand {
  const name = String(fields.get('name') ?? '');
  const env: Record<string, string> = {};
  for (const entry of listOf(fields.get('env')).map(mapOf))
    env[String(entry.get('name'))] = expand(String(entry.get('value') ?? ''), { ...variables, ...env });
  const known = { ...variables, ...env };
  const argv = [...listOf(fields.get('command')), ...listOf(fields.get('args'))].map((word) =>
    expand(String(word), known),
  );
  if (argv.length === 0)
    throw new LabError(
      'BAD_MANIFEST',
      `${place}: container ${name} has no command; the lab has no images to take one from`,
    );
  return {
    name,
    argv,
    env,
    probe: readProbe(mapOf(fields.get('readinessProbe')), known, `${place}: container ${name}`),
  };
}

function readProbe(
  fields: Fields,
  variables: Readonly<Record<string, string>>,
  place: string,
): ReadinessProbe | undefined {
  if (fields.size === 0) return undefined;
  const periodMs = Number(fields.get('periodSeconds') ?? 1) * 1_000;
  const tcp = mapOf(fields.get('tcpSocket'));
  if (tcp.size > 0) return { kind: 'tcp', port: readPort(tcp.get('port'), place), periodMs };
  const http = mapOf(fields.get('httpGet'));
  if (http.size > 0)
    return { kind: 'http', port: readPort(http.get('port'), place), path: String(http.get('path') ?? '/'), periodMs };
  const exec = mapOf(fields.get('exec'));
  if (exec.size > 0)
    return {
      kind: 'exec',
      command: listOf(exec.get('command')).map((word) => expand(String(word), variables)),
      periodMs,
    };
  throw new LabError('BAD_MANIFEST', `${place}: a readiness probe is tcpSocket, httpGet or exec`);
}

function readPort(value: unknown, place: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > 65_535)
    throw new LabError('BAD_MANIFEST', `${place}: a probe's port must be a number`);
  return value;
}

/** Unknown names stay as they are; `$$(NAME)` is a literal `$(NAME)`. */
export function expand(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$(\$?)\(([A-Za-z_][A-Za-z0-9_]*)\)/g, (whole, escape: string, name: string) =>
    escape === '' ? (variables[name] ?? whole) : `$(${name})`,
  );
}

function mapOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? new Map(Object.entries(value))
    : new Map();
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
