/** Tokens from a program that a kubeconfig names: how GKE, EKS, AKS and single sign-on do it. Spec: client.authentication.k8s.io/v1. */
import { dirname, resolve } from 'node:path';
import { AmbitError, type Clock, runCommand, systemClock } from '@ambit/runtime';
import { isPlainObject, type PlainObject } from '../object-reader.ts';
import { KubeError } from './kube-error.ts';

/** A program, and how to call it. */
export interface CredentialPlugin {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly apiVersion: string;
  /** What its makers say when it is not installed; may be empty. */
  readonly installHint: string;
}

const TIMEOUT_MS = 60_000;
/** A token is asked for anew this long before its end. */
const MARGIN_MS = 60_000;

/**
 * Reads the field `exec` of a user. `path` is the kubeconfig's: a command with a slash is relative to it.
 * Throws KubeError `ACCESS` for what is not a plugin.
 */
export function readCredentialPlugin(exec: PlainObject, path: string): CredentialPlugin {
  const text = (name: string): string => (typeof exec[name] === 'string' ? exec[name] : '');
  const command = text('command');
  if (command === '') throw new KubeError('ACCESS', `kubeconfig ${path}: a credential plugin without a command`);
  const program = command.includes('/') ? resolve(dirname(path), command) : command;
  const args = Array.isArray(exec['args']) ? exec['args'].map(String) : [];
  const variables = Array.isArray(exec['env']) ? exec['env'].filter(isPlainObject) : [];
  return {
    argv: [program, ...args],
    environment: Object.fromEntries(variables.map(({ name, value }) => [String(name), String(value)])),
    apiVersion: text('apiVersion') || 'client.authentication.k8s.io/v1',
    installHint: text('installHint').trim(),
  };
}

/** The plugin's token, asked for when it is wanted and kept until shortly before its end. */
export class PluginToken {
  readonly #plugin: CredentialPlugin;
  readonly #clock: Clock;
  #pending: Promise<string> | undefined;
  #endsMs = 0;

  constructor(plugin: CredentialPlugin, clock: Clock = systemClock) {
    this.#plugin = plugin;
    this.#clock = clock;
  }

  /** Rejects with KubeError `ACCESS` in the plugin's own words. */
  current(): Promise<string> {
    if (this.#pending !== undefined && this.#clock.wallTimeMs() < this.#endsMs - MARGIN_MS) return this.#pending;
    this.#endsMs = Number.POSITIVE_INFINITY;
    const pending = this.#ask();
    this.#pending = pending;
    pending.catch(() => (this.#pending = undefined));
    return pending;
  }

  async #ask(): Promise<string> {
    const { argv, environment, apiVersion, installHint } = this.#plugin;
    const refuse = (reason: string, cause?: unknown): KubeError =>
      new KubeError('ACCESS', `credential plugin ${argv[0] ?? ''}: ${reason}`, { cause });
    const request = { apiVersion, kind: 'ExecCredential', spec: { interactive: false } };
    const env = { ...environment, KUBERNETES_EXEC_INFO: JSON.stringify(request) };
    const { code, stdout, stderr } = await runCommand(argv, { env, timeoutMs: TIMEOUT_MS }).catch((cause: unknown) => {
      const isMissing = cause instanceof AmbitError && cause.code === 'COMMAND_NOT_STARTED' && installHint !== '';
      throw refuse(isMissing ? installHint : String(cause), cause);
    });
    if (code !== 0) throw refuse(stderr.trim().slice(0, 1000) || `it ended with ${code}`);
    const status = statusOf(stdout);
    const token = status['token'];
    if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) throw refuse('it gave no token');
    const end = status['expirationTimestamp'];
    if (typeof end === 'string' && !Number.isNaN(Date.parse(end))) this.#endsMs = Date.parse(end);
    return token;
  }
}

function statusOf(text: string): PlainObject {
  try {
    const answer: unknown = JSON.parse(text);
    const status = isPlainObject(answer) ? answer['status'] : undefined;
    return isPlainObject(status) ? status : {};
  } catch {
    return {};
  }
}
