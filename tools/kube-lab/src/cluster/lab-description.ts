/** What a lab was asked to be; kept in its folder, for commands that come later. */
import { readFileSync, writeFileSync } from 'node:fs';

export const proxyModes = ['nftables', 'iptables'] as const;
export type ProxyMode = (typeof proxyModes)[number];

export interface LabDescription {
  readonly isDual: boolean;
  /** etcd and the API server alone: no controllers, no scheduler, no nodes. */
  readonly isControlPlaneOnly: boolean;
  readonly proxyMode: ProxyMode;
  /** More arguments for these two. */
  readonly apiServerArguments: readonly string[];
  readonly kubeletArguments: readonly string[];
}

export function writeLabDescription(file: string, description: LabDescription): void {
  writeFileSync(file, JSON.stringify(description));
}

/** Undefined when there is no lab. @throws SyntaxError for a file that is not ours */
export function readLabDescription(file: string): LabDescription | undefined {
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  const value: unknown = JSON.parse(text);
  if (!isLabDescription(value)) throw new SyntaxError(`${file} describes no lab; remove it`);
  return value;
}

function isLabDescription(value: unknown): value is LabDescription {
  if (typeof value !== 'object' || value === null) return false;
  const { isDual, isControlPlaneOnly, proxyMode, apiServerArguments, kubeletArguments } = value as Partial<
    Record<keyof LabDescription, unknown>
  >;
  return (
    typeof isDual === 'boolean' &&
    typeof isControlPlaneOnly === 'boolean' &&
    proxyModes.some((mode) => mode === proxyMode) &&
    Array.isArray(apiServerArguments) &&
    Array.isArray(kubeletArguments)
  );
}
