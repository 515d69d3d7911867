/** A notebook or a stranger by name; a link where it can be gone to. */

import * as React from 'react';

import type { IPanelContext } from './context';

export interface IHolderProps {
  readonly context: IPanelContext;
  readonly title: string;
  readonly path: string | null;
  readonly kernelId: string | null;
  readonly hint?: string;
}

export function Holder(props: IHolderProps): React.JSX.Element {
  const { context, title, path, kernelId } = props;
  const hint = props.hint ?? path ?? title;
  if (path === null || !context.isHere(kernelId)) {
    return (
      <span className="gpuctl-Holder" title={hint}>
        {title}
      </span>
    );
  }
  return (
    <button
      type="button"
      className="gpuctl-Holder gpuctl-Link"
      title={context.words.__('Go to %1', path)}
      onClick={() => {
        context.open(path, kernelId);
      }}
    >
      {title}
    </button>
  );
}
