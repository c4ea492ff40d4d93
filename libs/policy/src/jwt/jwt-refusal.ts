/** Why a token was refused, in the words that Envoy's users see in answers and logs. */
export type JwtRefusal = keyof typeof texts;

const texts = {
  missing: 'Jwt is missing',
  form: 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
  'header-base64': 'Jwt header is an invalid Base64url encoded',
  'header-json': 'Jwt header is an invalid JSON',
  'header-alg': 'Jwt header [alg] field is required and must be a string',
  'alg-unsupported': 'Jwt header [alg] is not supported',
  'header-kid': 'Jwt header [kid] field must be a string',
  'payload-base64': 'Jwt payload is an invalid Base64url encoded',
  'payload-json': 'Jwt payload is an invalid JSON',
  'signature-base64': 'Jwt signature is an invalid Base64url encoded',
  issuer: 'Jwt issuer is not configured',
  audience: 'Audiences in Jwt are not allowed',
  'not-yet-valid': 'Jwt not yet valid',
  expired: 'Jwt is expired',
  'no-key': "Jwks doesn't have key to match kid or alg from Jwt",
  signature: 'Jwt verification fails',
  'keys-unavailable': 'Jwks remote fetch is failed',
} as const;

/** The body of the answer. */
export function jwtRefusalText(refusal: JwtRefusal): string {
  return texts[refusal];
}

/** 403 for a valid token of somebody else's audience, 401 for the rest. */
export function jwtRefusalStatus(refusal: JwtRefusal): 401 | 403 {
  return refusal === 'audience' ? 403 : 401;
}

/** The access log's response code details. */
export function jwtRefusalDetails(refusal: JwtRefusal): string {
  return `jwt_authn_access_denied{${texts[refusal].replaceAll(' ', '_')}}`;
}
