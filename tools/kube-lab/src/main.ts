/** `npm run kube-lab -- COMMAND`: a Kubernetes and a Docker engine on this machine. */
import { exitCodes, toAmbitError } from '@ambit/runtime';
import { createProgram } from './cli/program.ts';
import { readLabSettings } from './lab-settings.ts';

try {
  const settings = readLabSettings(process.env);
  // Tools such as ip and nft are found wherever this program was started from.
  process.env['PATH'] = settings.searchPath;
  await createProgram(settings).parseAsync();
} catch (cause) {
  process.stderr.write(`kube-lab: ${toAmbitError(cause).message}\n`);
  process.exitCode = exitCodes.failed;
}
