/** The terminal of the mesh. */
import { fileURLToPath } from 'node:url';
import { exitCodes, toAmbitError } from '@ambit/runtime';
import { createProgram } from './cli/program.ts';
import { readSurroundings } from './cli/surroundings.ts';

// The one place where this program reads its environment.
// oxlint-disable-next-line node/no-process-env
const surroundings = readSurroundings(process.env, fileURLToPath(import.meta.url));
// Tools such as ip and nft are found wherever this program was started from.
// oxlint-disable-next-line node/no-process-env
process.env['PATH'] = surroundings.searchPath;

try {
  await createProgram(surroundings).parseAsync();
} catch (cause) {
  process.stderr.write(`ambitctl: ${toAmbitError(cause).message}\n`);
  process.exitCode = exitCodes.failed;
}
