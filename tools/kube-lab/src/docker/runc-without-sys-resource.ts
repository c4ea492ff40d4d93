/**
 * An OCI runtime before runc, for machines that have lost CAP_SYS_RESOURCE for good. A privileged container asks for
 * every capability, for a low oom_score_adj and for raised limits, and runc fails at the first that is refused. This
 * takes them out of the container's description, then becomes runc.
 * Spec: OCI runtime specification 1.0, config.json.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { softenDescription, type RuntimeCall, runtimeCall } from './soften-description.ts';

const RUNC = '/usr/sbin/runc';

const args = process.argv.slice(2);
const call: RuntimeCall | undefined = runtimeCall(args);
if (call !== undefined) softenDescription(call, Number(readFileSync('/proc/self/oom_score_adj', 'utf8')));
if (process.execve === undefined) throw new Error('this Node.js cannot become another program');
process.execve(RUNC, ['runc', ...args], process.env);
