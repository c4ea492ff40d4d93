/** The terminal of the mesh. */
import { fileURLToPath } from 'node:url';
import { exitCodes } from '@ambit/runtime';
import { createProgram } from './cli/program.ts';
import { readSurroundings } from './cli/surroundings.ts';
import { explainFailure } from './cluster/explain-failure.ts';

// The one place where this program reads its environment.
// oxlint-disable-next-line node/no-process-env
const surroundings = readSurroundings(process.env, fileURLToPath(import.meta.url));
// Tools such as ip and nft are found wherever this program was started from.
// oxlint-disable-next-line node/no-process-env
process.env['PATH'] = surroundings.searchPath;

try {
  await createProgram(surroundings).parseAsync();
} catch (cause) {
  process.stderr.write(explainFailure(cause));
  process.exitCode = exitCodes.failed;
}
