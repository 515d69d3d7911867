/** A part of the panel that can be folded away. */

import { caretDownIcon, caretRightIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { IPanelContext } from './context';

export interface ISectionProps {
  readonly context: IPanelContext;
  /** Stable name, for remembering whether it is open. */
  readonly name: string;
  readonly title: string;
  /** A few words at the right of the title. */
  readonly aside?: string;
  /** Whether it is folded until a person opens it. */
  readonly folded?: boolean;
}

export function Section(
  props: React.PropsWithChildren<ISectionProps>
): React.JSX.Element {
  const { context, name, title, aside, folded = false } = props;
  const key = `section:${name}`;
  const open = context.folds.isOpen(key, !folded);
  const id = `gpuctl-section-${name}`;
  const Caret = open ? caretDownIcon : caretRightIcon;
  return (
    <section className="gpuctl-Section" aria-labelledby={`${id}-title`}>
      <h3 className="gpuctl-Section-header">
        <button
          type="button"
          id={`${id}-title`}
          className="gpuctl-Fold"
          aria-expanded={open}
          aria-controls={id}
          onClick={() => {
            context.folds.set(key, !open);
          }}
        >
          <Caret.react tag="span" className="gpuctl-Caret" />
          <span className="gpuctl-Section-title">{title}</span>
          <span className="gpuctl-Section-aside">{aside}</span>
        </button>
      </h3>
      <div id={id} hidden={!open} className="gpuctl-Section-body">
        {open && props.children}
      </div>
    </section>
  );
}
