/** A flow is what one model asks of one source: its id names both. A source's id has no `@`. */
export function flowId(model: string, source: string): string {
  return `${model}@${source}`;
}

/** The model and the source of a flow. */
export function modelAndSource(flow: string): { readonly model: string; readonly source: string } {
  const at = flow.lastIndexOf('@');
  return { model: flow.slice(0, at), source: flow.slice(at + 1) };
}
