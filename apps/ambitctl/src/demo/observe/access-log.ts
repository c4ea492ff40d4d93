/** The access log of a ztunnel of the lab, as it was written. */
import { readFileSync } from 'node:fs';
import type { Lab } from '../../lab/lab.ts';

export interface AccessLine {
  readonly timeMs: number;
  readonly message: string;
  readonly error: string | undefined;
  /** All fields, by their key (`src.identity`, `dst.workload`, `direction` ...). */
  readonly fields: ReadonlyMap<string, unknown>;
}

/** Lines that are not JSON, and those of other scopes, are left out. */
export function readAccessLog(lab: Lab, process: string): readonly AccessLine[] {
  const lines: AccessLine[] = [];
  for (const text of readFileSync(lab.paths.log(process), 'utf8').split('\n')) {
    if (!text.startsWith('{') || !text.includes('"scope":"access"')) continue;
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null) continue;
    const fields = new Map<string, unknown>(Object.entries(parsed));
    const error = fields.get('error');
    lines.push({
      timeMs: Date.parse(String(fields.get('time'))),
      message: String(fields.get('message')),
      error: typeof error === 'string' ? error : undefined,
      fields,
    });
  }
  return lines;
}
