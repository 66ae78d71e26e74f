/**
 * What the OpenAPI document says of the names that fields of a record may have: the library leaves it out, and its types know only what OpenAPI 3.0 knew, so that it is handed
 * over beside a description.
 */
export function fieldNames(
  description: string,
  names: { readonly pattern: string } | { readonly maxLength: number },
) {
  return { description, propertyNames: { type: "string", ...names } };
}
