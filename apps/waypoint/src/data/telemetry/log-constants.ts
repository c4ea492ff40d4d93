import { DurationValue, evaluate, type LogConstants } from '@ambit/telemetry';

import { RequestRecord } from '../../request/request-record.ts';
import { TcpRecord } from '../tcp-record.ts';
import { TrafficAttributes } from './traffic-attributes.ts';
import { userExpression } from './user-expression.ts';

/** Variables that may hold secrets: whoever writes formats and tags must not read them. */
const secrets: ReadonlySet<string> = new Set(['AUTH_TOKEN']);

/** What users' formats and tags may ask of this process. */
export function logConstants(hostname: string): LogConstants {
  return {
    hostname,
    // oxlint-disable-next-line node/no-process-env -- users name the variables
    environment: (name) => (secrets.has(name) ? undefined : process.env[name]),
    expression: (text) => {
      const expression = userExpression(text);
      if (expression === undefined) return undefined;
      return (request) => {
        if (!(request instanceof RequestRecord || request instanceof TcpRecord)) return undefined;
        const value = evaluate(expression, new TrafficAttributes(request));
        return value instanceof DurationValue ? String(value) : value;
      };
    },
  };
}
