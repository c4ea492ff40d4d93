import type { LogConstants } from '@ambit/telemetry';

/** Variables that may hold secrets: whoever writes formats and tags must not read them. */
const secrets: ReadonlySet<string> = new Set(['AUTH_TOKEN']);

/** What users' formats and tags may ask of this process. */
export function logConstants(hostname: string): LogConstants {
  // oxlint-disable-next-line node/no-process-env -- users name the variables
  return { hostname, environment: (name) => (secrets.has(name) ? undefined : process.env[name]) };
}
