import { compileRegex } from '@ambit/routing';
import { type Expression, parseExpression } from '@ambit/telemetry';

/** Undefined for a text that is no expression: the control plane has told of it. */
export function userExpression(text: string): Expression | undefined {
  const parsed = parseExpression(text, (pattern) => {
    const compiled = compileRegex(pattern);
    return (value) => compiled.matcher(value).find();
  });
  return parsed.kind === 'expression' ? parsed.expression : undefined;
}
