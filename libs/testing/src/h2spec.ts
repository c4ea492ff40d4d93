import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const binary = process.env['AMBIT_H2SPEC'];

/** Why h2spec cannot be run here, or false. */
export function h2specSkipReason(): string | false {
  return binary === undefined ? 'AMBIT_H2SPEC is not set' : false;
}

/**
 * Asks a server on loopback everything that h2spec knows, over a bare socket, with so many seconds for each case.
 * Resolves to the lines of the cases that failed; the whole report goes to `tell` when there are any.
 */
export async function failuresOfH2spec(
  port: number,
  caseSeconds: number,
  tell: (report: string) => void,
): Promise<readonly string[]> {
  const child = spawn(binary ?? '', ['-h', '127.0.0.1', '-p', String(port), '-o', String(caseSeconds)]);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += String(data)));
  await once(child, 'close');
  assert.match(output, /tests, \d+ passed/);
  const [, failures = ''] = output.split('Failures:');
  if (failures !== '') tell(failures);
  return failures.split('\n').filter((line) => line.includes('×'));
}
